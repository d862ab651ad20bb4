import {
  type Config,
  clientsSchema,
  type ModelSettings,
  memorySchema,
  modelSettingsSchema,
  quarantineSchema,
  safeModeSchema,
  timeoutsSchema,
} from "../../../shared/config.ts";

/** One value that is to be another. */
export interface ConfigChange {
  readonly key: string;
  /** What may be shown of it: of keys only how many there are; null: not set. */
  readonly from: unknown;
  readonly to: unknown;
}

export interface AppliedChange extends ConfigChange {
  /** `next_load`: for models that are loaded from now on. */
  readonly takesEffect: "now" | "next_load";
  /** Loaded models that go on with the old value until they are loaded again. */
  readonly staleModels: readonly string[];
}

export interface ReloadPlan {
  /** In force afterwards: the wanted one, but for what a running service cannot take. */
  readonly config: Config;
  readonly applied: readonly AppliedChange[];
  /** Stays as it is until the service is started again. */
  readonly needsRestart: readonly ConfigChange[];
  readonly unchanged: number;
}

/** When a changed value is in force: at once, when a model is loaded next, or when the service is started next. */
export type Effect = AppliedChange["takesEffect"] | "restart";
/** `["port"]`, `["timeouts", "hold_seconds"]`, `["models", id, "pinned"]`. Model ids may contain dots. */
export type Path = readonly [keyof Config, ...string[]];

/** Sections whose values are changed one by one. */
const SECTIONS = {
  clients: Object.keys(clientsSchema.shape),
  memory: Object.keys(memorySchema.shape),
  quarantine: Object.keys(quarantineSchema.shape),
  safe_mode: Object.keys(safeModeSchema.shape),
  timeouts: Object.keys(timeoutsSchema.shape),
} as const;

const MODEL_KEYS = Object.keys(modelSettingsSchema.shape);
const DEFAULT_SETTINGS = modelSettingsSchema.parse({});

/** When a key takes effect; what is not here needs a new start of the service. */
const EFFECTS: Readonly<Partial<Record<keyof Config, Effect>>> = {
  api_keys: "now",
  admin_keys: "now",
  allowed_origins: "now",
  trusted_proxy: "now",
  aliases: "now",
  auto_load: "now",
  clients: "now",
  load_on_request: "now",
  log_level: "now",
  memory: "now",
  models: "next_load",
  idle_seconds: "next_load",
  timeouts: "next_load",
  runtime_blocklist: "next_load",
  advisories: "next_load",
};

/** What is read for each request, or each time room is made. */
const READ_EACH_TIME: Readonly<Partial<Record<keyof Config, readonly string[]>>> = {
  models: ["chat_template_kwargs", "sampling", "pinned"],
  timeouts: ["hold_seconds", "drain_seconds"],
};

/** What a worker was given when it was loaded. */
const GIVEN_AT_LOAD = ["context_tokens", "max_concurrency", "tool_parser", "trust_code"];
/** What each worker has been watched by since it was started. */
const WATCHED_BY = ["heartbeat_seconds", "ping_seconds", "progress_seconds"];

const SECRETS: readonly (keyof Config)[] = ["api_keys", "admin_keys"];

/**
 * What a new configuration changes, and what of it a running service can take.
 * @param loadedModels ids of the models that have a worker
 */
export function planReload(running: Config, wanted: Config, loadedModels: readonly string[]): ReloadPlan {
  const paths = pathsOf(running, wanted);
  const changed = paths.filter((path) => !isSame(valueAt(running, path), valueAt(wanted, path)));
  const change = (path: Path): ConfigChange => ({
    key: path.join("."),
    from: shown(path, valueAt(running, path)),
    to: shown(path, valueAt(wanted, path)),
  });
  return {
    config: merge(running, wanted),
    applied: changed.flatMap((path): AppliedChange[] => {
      const takesEffect = effectOf(path);
      if (takesEffect === "restart") return [];
      const staleModels = loadedModels.filter((id) => isStale(id, path, running, wanted));
      return [{ ...change(path), takesEffect, staleModels }];
    }),
    needsRestart: changed.filter((path) => effectOf(path) === "restart").map(change),
    unchanged: paths.length - changed.length,
  };
}

/** May this key, a top-level one, be changed in a running service? */
export function isLive(key: string): boolean {
  return Object.hasOwn(EFFECTS, key);
}

export function effectOf([section, ...rest]: Path): Effect {
  const isReadEachTime = READ_EACH_TIME[section]?.includes(rest.at(-1) ?? "") ?? false;
  return isReadEachTime ? "now" : (EFFECTS[section] ?? "restart");
}

function merge(running: Config, wanted: Config): Config {
  const entries = Object.keys(wanted).map((key) => {
    const from = isLive(key) ? wanted : running;
    return [key, from[key as keyof Config]];
  });
  return Object.fromEntries(entries) as Config;
}

function pathsOf(running: Config, wanted: Config): Path[] {
  const both = (key: "aliases" | "models") => [
    ...new Set([...Object.keys(running[key]), ...Object.keys(wanted[key])]),
  ];
  return (Object.keys(wanted) as (keyof Config)[]).flatMap((key): Path[] => {
    if (key === "aliases") return both(key).map((alias) => [key, alias]);
    if (key === "models") return both(key).flatMap((id) => MODEL_KEYS.map((name): Path => [key, id, name]));
    return Object.hasOwn(SECTIONS, key)
      ? SECTIONS[key as keyof typeof SECTIONS].map((name) => [key, name])
      : [[key]];
  });
}

function valueAt(config: Config, [section, ...rest]: Path): unknown {
  if (section === "models") {
    const [id = "", name = ""] = rest;
    return read(settingsOf(config, id), name);
  }
  return rest.reduce<unknown>(read, config[section]) ?? null;
}

/** Own values only: an alias may be called "constructor". */
function read(object: unknown, name: string): unknown {
  const isThere = typeof object === "object" && object !== null && Object.hasOwn(object, name);
  return isThere ? ((object as Readonly<Record<string, unknown>>)[name] ?? null) : null;
}

function settingsOf({ models }: Config, id: string): ModelSettings {
  return (Object.hasOwn(models, id) ? models[id] : undefined) ?? DEFAULT_SETTINGS;
}

function shown([section]: Path, value: unknown): unknown {
  return SECRETS.includes(section) && Array.isArray(value) ? value.length : value;
}

function isStale(id: string, [section, ...rest]: Path, running: Config, wanted: Config): boolean {
  const name = rest.at(-1) ?? "";
  const isOtherIdle = idleSeconds(running, id) !== idleSeconds(wanted, id);
  const isOtherLimit = workerLimit(running, id) !== workerLimit(wanted, id);
  switch (section) {
    case "models":
      if (rest[0] !== id) return false;
      if (name === "pinned" || name === "idle_seconds") return isOtherIdle;
      return name === "memory_limit_bytes" ? isOtherLimit : GIVEN_AT_LOAD.includes(name);
    case "idle_seconds":
      return isOtherIdle;
    case "memory":
      return name === "limit_bytes" && isOtherLimit;
    default:
      return section === "timeouts" && WATCHED_BY.includes(name);
  }
}

/** After which it leaves; null: never. */
function idleSeconds(config: Config, id: string): number | null {
  const { pinned, idle_seconds } = settingsOf(config, id);
  return pinned ? null : (idle_seconds ?? config.idle_seconds);
}

/** What its worker may take before it is ended, bytes; null: any. */
function workerLimit(config: Config, id: string): number | null {
  return settingsOf(config, id).memory_limit_bytes ?? config.memory.limit_bytes ?? null;
}

/** Equal as JSON, whatever the order of an object's keys. */
function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(read(one, name), read(other, name)))
  );
}
