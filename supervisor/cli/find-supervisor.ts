import { ConfigError } from "../config/config-problem.ts";
import { readAddress } from "../host/address-file.ts";
import { configPaths, type LoadedConfig, loadConfig } from "../load-config.ts";
import { CliError, type CliIo, type CommandInput, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { printable } from "./printable.ts";

/** Options of every command that talks to a supervisor. */
export const CONNECTION_OPTIONS = {
  url: { type: "string" },
  "admin-key": { type: "string" },
  config: { type: "string" },
  json: { type: "boolean" },
} as const;

export const CONNECTION_HELP = `  --url URL         where the supervisor listens (OPTA_LMX_URL; otherwise the one that runs on this state directory)
  --admin-key KEY   key for /admin (OPTA_LMX_ADMIN_KEYS; otherwise admin_keys of the configuration)
  --config FILE     the configuration to read these from
  --json            print one JSON document instead of text`;

/** Where a supervisor is and which keys open it. */
export interface SupervisorAddress {
  readonly url: string;
  readonly adminKey: string | undefined;
  /** Key for `/v1`. */
  readonly apiKey: string | undefined;
  /** The configuration of this state directory; null when it was not read, as an address was given, or cannot be. */
  readonly local: LoadedConfig | null;
}

/** Where to find the supervisor: option, then environment, then configuration. @throws ConfigError, CliError */
export function findSupervisor({ values, io }: CommandInput): SupervisorAddress {
  const givenUrl = textOption(values, "url") ?? (io.env.OPTA_LMX_URL || undefined);
  // With an explicit address the configuration is not read: it may be broken, and its keys are for another server.
  // A running supervisor knows its address better than the configuration: flags may have changed it.
  const noted = givenUrl === undefined ? readAddress(configPaths({ env: io.env }).addressFile) : null;
  const local = givenUrl === undefined ? localConfig(textOption(values, "config"), io, noted !== null) : null;
  const key = (option: string, variable: string, configured: readonly string[] | undefined) =>
    textOption(values, option) ?? firstOf(io.env[variable]) ?? configured?.[0];
  const apiKey = key("api-key", "OPTA_LMX_API_KEYS", local?.config.api_keys);
  return {
    url: checkedUrl(givenUrl ?? noted ?? urlOf(local?.config.host ?? "127.0.0.1", local?.config.port ?? 0)),
    // A service that has keys for inference only takes one of them for /admin as well.
    adminKey: key("admin-key", "OPTA_LMX_ADMIN_KEYS", local?.config.admin_keys) ?? apiKey,
    apiKey,
    local,
  };
}

/** A supervisor that runs can be asked, whatever has become of the file it was started with. */
function localConfig(
  file: string | undefined,
  { env, stderr }: CliIo,
  isRunning: boolean,
): LoadedConfig | null {
  try {
    return loadConfig({ flags: file === undefined ? {} : { config: file }, env });
  } catch (error) {
    if (!isRunning || !(error instanceof ConfigError)) throw error;
    stderr.write(
      `lmx: warning: ${error.message}; asking the supervisor that runs, without keys from there\n`,
    );
    return null;
  }
}

function firstOf(list: string | undefined): string | undefined {
  return list
    ?.split(",")
    .map((item) => item.trim())
    .find((item) => item !== "");
}

/** The address a client on this machine uses for a server bound to that host. */
export function urlOf(host: string, port: number): string {
  if (port === 0) {
    throw new CliError(
      EXIT_CODES.usage.code,
      "no_address",
      "The configuration lets the system choose the port; name the supervisor with --url.",
    );
  }
  // A server on all interfaces is reached on this one.
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" || host === "[::]" ? "::1" : host;
  return `http://${reachable.includes(":") && !reachable.startsWith("[") ? `[${reachable}]` : reachable}:${port}`;
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CliError(
      EXIT_CODES.usage.code,
      "no_address",
      `Expected an address such as http://127.0.0.1:1234, got ${printable(text)}.`,
    );
  }
  return url.href.replace(/\/+$/, "");
}
