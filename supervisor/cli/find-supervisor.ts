import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import { configPaths, type LoadedConfig } from "../config/load-config.ts";
import { type NotedAddress, readAddress } from "../host/address-file.ts";
import { whyNotPrivate } from "../host/private-directory.ts";
import { notYours } from "./api-errors.ts";
import { CliError, type CommandInput, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { printable } from "./printable.ts";
import type { SupervisorAddress } from "./supervisor-address.ts";

/** Options of every command that talks to a supervisor. */
export const CONNECTION_OPTIONS = {
  url: { type: "string" },
  "admin-key": { type: "string" },
  json: { type: "boolean" },
} as const;

/** Help for those that say where it is. */
export const ADDRESS_HELP = `  --url URL         another supervisor than the one that runs on this state directory (OPTA_LMX_URL)
  --admin-key KEY   its key for /admin (OPTA_LMX_ADMIN_KEYS); without --url none is needed, and none is sent`;

export const CONNECTION_HELP = `${ADDRESS_HELP}
  --json            print one JSON document instead of text`;

const NO_KEYS = { adminKey: undefined, apiKey: undefined };

/** The address that a command line or the environment names; null: none, the one on this state directory is meant. */
export function namedUrl({ values, io }: Pick<CommandInput, "values" | "io">): string | null {
  return textOption(values, "url") ?? (io.env.OPTA_LMX_URL || null);
}

/**
 * The supervisor a command line means. Keys go to an address that was named and nowhere else: whoever holds the port
 * noted in the state directory is not known, and the admin socket needs none.
 * @throws CliError
 */
export function findSupervisor(input: CommandInput): SupervisorAddress {
  const named = namedUrl(input);
  if (named === null) return onThisMachine(configPaths({ env: input.io.env }));
  const url = checkedUrl(named);
  const key = (option: string, variable: string) =>
    textOption(input.values, option) ?? firstOf(input.io.env[variable]);
  const apiKey = key("api-key", "OPTA_LMX_API_KEYS");
  // A service that has keys for inference only takes one of them for /admin as well.
  const adminKey = key("admin-key", "OPTA_LMX_ADMIN_KEYS") ?? apiKey;
  return { name: url, url, socketPath: null, adminKey, apiKey };
}

function onThisMachine(paths: LoadedConfig["paths"]): SupervisorAddress {
  const noted = readAddress(paths.addressFile);
  if (noted !== null) return addressOf(noted, paths);
  // A full disk may have room for the socket, but not for the note.
  if (isSocket(paths.adminSocket)) return onSocket(paths.adminSocket);
  throw new CliError(
    EXIT_CODES.unavailable.code,
    "no_supervisor",
    `No Opta-LMX runs on ${paths.stateDirectory}. Start it with "lmx serve", or name another address with --url.`,
  );
}

/** How to reach the supervisor that noted this. @throws CliError when its socket may be somebody else's */
export function addressOf(noted: NotedAddress, paths: LoadedConfig["paths"]): SupervisorAddress {
  const { url, socket } = noted;
  if (socket === null) return { name: url, url, socketPath: null, ...NO_KEYS };
  const why = socket === paths.adminSocket ? null : whyNotPrivate(dirname(socket), expectedOwner(paths));
  if (why === null) return onSocket(socket);
  throw new CliError(
    EXIT_CODES.permission.code,
    "untrusted_socket",
    `The admin socket of ${paths.stateDirectory} may be somebody else's: ${why}. Use --url ${url} with a key, or start the service again.`,
  );
}

function onSocket(path: string): SupervisorAddress {
  return { name: path, url: "http://localhost", socketPath: path, ...NO_KEYS };
}

/** Whose the socket has to be: ours, or for root that of whoever runs the service. */
function expectedOwner({ addressFile }: LoadedConfig["paths"]): number | null {
  const uid = process.getuid?.() ?? null;
  return uid === 0 ? lstatSync(addressFile).uid : uid;
}

/** @throws CliError when the state directory is closed to this user */
function isSocket(path: string): boolean {
  try {
    return lstatSync(path).isSocket();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") return false;
    throw notYours(dirname(path));
  }
}

function firstOf(list: string | undefined): string | undefined {
  return list
    ?.split(",")
    .map((item) => item.trim())
    .find((item) => item !== "");
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
