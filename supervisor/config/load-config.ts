import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { type Config, configSchema } from "../../shared/config.ts";
import { isLoopbackHost } from "../host/loopback.ts";
import { type ConfigFile, readConfigFile } from "./config-file.ts";
import { ConfigError, type Problem, problemsOf } from "./config-problem.ts";
import { type ConfigFlags, type ConfigSource, EXTERNAL_SETTINGS } from "./config-sources.ts";

interface ConfigPaths {
  /** `~/.opta-lmx` or OPTA_LMX_HOME. */
  readonly stateDirectory: string;
  readonly configFile: string;
  readonly registryFile: string;
  readonly auditFile: string;
  readonly quarantineFile: string;
  readonly startsFile: string;
  readonly intentsFile: string;
  readonly workersFile: string;
  readonly dossiersDirectory: string;
  readonly lockFile: string;
  /** Where the running supervisor notes its address. */
  readonly addressFile: string;
  /** Where commands meet the running supervisor. */
  readonly adminSocket: string;
  readonly modelsDirectory: string;
  /** `runtimes` in the state directory or OPTA_LMX_RUNTIMES. */
  readonly runtimesDirectory: string;
}

export interface LoadedConfig {
  /** Checked; paths in it are absolute. */
  readonly config: Config;
  /** Where each value came from; timeouts by themselves, as `timeouts.hold_seconds`. */
  readonly sources: Readonly<Record<string, ConfigSource>>;
  readonly paths: ConfigPaths;
}

export interface ConfigInput {
  readonly flags?: ConfigFlags;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The user's home directory. */
  readonly home?: string;
}

/**
 * One checked configuration out of defaults, file, environment and flags; the later wins.
 * @throws ConfigError with all problems at once
 */
export function loadConfig({
  flags = {},
  env = process.env,
  home = homedir(),
}: ConfigInput = {}): LoadedConfig {
  const paths = configPaths({ flags, env, home });
  const file = readConfigFile(paths.configFile, flags.config !== undefined);
  const outside = readOutside(flags, env);
  const problems = [...checkFile(file), ...outside.problems];
  if (problems.length > 0) throw new ConfigError(problems);
  const checked = configSchema.parse({ ...file.values, ...outside.values });
  const inFile = (path: string): string => absolute(path, dirname(paths.configFile), home);
  const config = {
    ...checked,
    model_roots: checked.model_roots.map(inFile),
    huggingface_cache: pathOrSwitch(checked.huggingface_cache, inFile),
    lm_studio: pathOrSwitch(checked.lm_studio, inFile),
  };
  refuseOpenNetwork(config, paths.configFile);
  return { config, sources: sourcesOf(config, file.values, outside.sources), paths };
}

/** Where everything is; not a matter of what the configuration file says, which may be broken. */
export function configPaths({
  flags = {},
  env = process.env,
  home = homedir(),
}: ConfigInput = {}): ConfigPaths {
  const stateDirectory = absolute(env.OPTA_LMX_HOME || join(home, ".opta-lmx"), process.cwd(), home);
  const inState = (name: string): string => join(stateDirectory, name);
  return {
    stateDirectory,
    configFile:
      flags.config === undefined ? inState("config.yaml") : absolute(flags.config, process.cwd(), home),
    registryFile: inState("compatibility-registry.json"),
    auditFile: inState("audit.json"),
    quarantineFile: inState("quarantine.json"),
    startsFile: inState("starts.json"),
    intentsFile: inState("load-intents.json"),
    workersFile: inState("workers.json"),
    dossiersDirectory: inState("dossiers"),
    lockFile: inState("supervisor.lock"),
    addressFile: inState("address.json"),
    adminSocket: inState("admin.sock"),
    modelsDirectory: inState("models"),
    runtimesDirectory: absolute(env.OPTA_LMX_RUNTIMES || inState("runtimes"), process.cwd(), home),
  };
}

/** `~` is expanded here because a value in a file or a service definition never sees a shell. */
function absolute(path: string, base: string, home: string): string {
  return resolve(base, path === "~" || path.startsWith("~/") ? join(home, path.slice(1)) : path);
}

function pathOrSwitch(setting: string | boolean, toPath: (path: string) => string): string | boolean {
  return typeof setting === "string" ? toPath(setting) : setting;
}

function checkFile(file: ConfigFile): string[] {
  const checked = configSchema.safeParse(file.values);
  const problems = checked.success
    ? badPatterns(checked.data)
    : problemsOf(checked.error, file.values, knownKeys);
  return file.explain(problems);
}

/** Keys of the mapping at this path of the configuration. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let schema = inside(configSchema);
  for (const key of path) {
    if (schema instanceof z.ZodObject) schema = inside(schema.shape[String(key)]);
    else if (schema instanceof z.ZodRecord) schema = inside(schema.valueType);
    else if (schema instanceof z.ZodArray) schema = inside(schema.element);
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** The schema under its defaults. */
function inside(schema: unknown): unknown {
  let inner = schema;
  while (
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodNullable ||
    inner instanceof z.ZodPrefault
  )
    inner = inner.unwrap();
  return inner;
}

/** A pattern that does not compile would otherwise fail every canary of its model. */
function badPatterns(config: Config): Problem[] {
  return Object.entries(config.models).flatMap(([id, { canary }]): Problem[] => {
    try {
      new RegExp(canary?.expect ?? "");
      return [];
    } catch {
      const path = ["models", id, "canary", "expect"];
      const text = `models.${id}.canary.expect: expected a regular expression, got ${JSON.stringify(canary?.expect)}`;
      return [{ path, atKey: false, text }];
    }
  });
}

interface Outside {
  readonly values: Record<string, unknown>;
  readonly sources: Record<string, ConfigSource>;
  readonly problems: string[];
}

function readOutside(flags: ConfigFlags, env: NonNullable<ConfigInput["env"]>): Outside {
  const outside: Outside = { values: {}, sources: {}, problems: [] };
  for (const { key, variable, flag, read } of EXTERNAL_SETTINGS) {
    const typed = flag === undefined ? undefined : flags[flag.name];
    const text = typed ?? env[variable];
    // A variable set to nothing is how a shell clears it; a flag set to nothing is meant.
    if (text === undefined || (typed === undefined && text === "")) continue;
    const value = read(text);
    const checked = z.strictObject({ [key]: configSchema.shape[key] }).safeParse({ [key]: value });
    const name = typed === undefined ? variable : (flag?.spelling ?? variable);
    outside.values[key] = value;
    outside.sources[key] = typed === undefined ? "environment" : "flag";
    if (checked.success) continue;
    outside.problems.push(
      ...problemsOf(checked.error, { [key]: value }, knownKeys).map(({ text: what }) => `${name}: ${what}`),
    );
  }
  return outside;
}

function refuseOpenNetwork({ host, api_keys, admin_keys }: Config, configFile: string): void {
  if (isLoopbackHost(host)) return;
  const missing = [
    ...(api_keys.length === 0 ? ["api_keys (OPTA_LMX_API_KEYS)"] : []),
    ...(admin_keys.length === 0 ? ["admin_keys (OPTA_LMX_ADMIN_KEYS)"] : []),
  ];
  if (missing.length === 0) return;
  throw new ConfigError([
    `host: other machines can reach ${JSON.stringify(host)}, so a key is needed for each door; set ${missing.join(" and ")} in ${configFile} or the environment, or use host 127.0.0.1`,
  ]);
}

function sourcesOf(
  config: Config,
  file: Readonly<Record<string, unknown>>,
  outside: Readonly<Record<string, ConfigSource>>,
): Record<string, ConfigSource> {
  const inFile = (section: unknown, key: string): ConfigSource =>
    typeof section === "object" && section !== null && Object.hasOwn(section, key) ? "file" : "default";
  const { timeouts, ...others } = config;
  return Object.fromEntries([
    ...Object.keys(others).map((key) => [key, outside[key] ?? inFile(file, key)]),
    ...Object.keys(timeouts).map((key) => [`timeouts.${key}`, inFile(file.timeouts, key)]),
  ]);
}
