import { lstat, mkdtemp, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { LoadedConfig } from "../config/load-config.ts";
import { readNote } from "../host/address-file.ts";
import type { App } from "../http/app-context.ts";
import { listenOnSocket, type OpenDoor } from "../http/server/listen.ts";

/** The operator's way in, as far as there is one. */
export interface AdminSocket extends OpenDoor {
  /** Null: there is none. */
  readonly path: string | null;
  /** Why there is none, or it is not where it belongs; null: all is well. */
  readonly problem: string | null;
}

/** `sockaddr_un` has room for 104 bytes on macOS and 108 on Linux, the final zero included. */
const LONGEST_PATH_BYTES = 103;
const OWN_DIRECTORY = "opta-lmx-";

/**
 * Opens the socket on which commands reach this service: in the state directory or, where its path is too long or its
 * file system has no sockets, in a private temporary directory. A service runs without it as well.
 * @param isLocked the state directory is ours, and with it whatever socket an earlier service left there
 */
export async function openAdminSocket(
  app: App,
  { adminSocket, addressFile }: Pick<LoadedConfig["paths"], "adminSocket" | "addressFile">,
  isLocked: boolean,
): Promise<AdminSocket> {
  // Where the address cannot be noted, nobody would find it.
  if (!isLocked) return none("the state directory cannot be written");
  await removeLeftBehind(adminSocket, addressFile);
  try {
    return { path: adminSocket, problem: null, ...(await openAt(app, adminSocket)) };
  } catch (error) {
    const problem = messageOf(error);
    return await openElsewhere(app, problem).catch((second) => none(`${problem}; ${messageOf(second)}`));
  }
}

/** What has become of a socket with a problem, for the log. */
export function describeAdminSocket({ path, problem }: AdminSocket, url: string): string {
  const outcome =
    path === null
      ? `there is none: commands need --url ${url}, and the keys`
      : `it is ${path} instead, where commands find it`;
  return `The admin socket is not in the state directory (${problem}); ${outcome}`;
}

async function openElsewhere(app: App, problem: string): Promise<AdminSocket> {
  // 0700, whatever the umask.
  const directory = await mkdtemp(join(tmpdir(), OWN_DIRECTORY));
  const path = join(directory, "admin.sock");
  try {
    const door = await openAt(app, path);
    const close = async (graceMs?: number) => {
      await door.close(graceMs);
      await rmdir(directory).catch(() => {});
    };
    return { path, problem, close };
  } catch (error) {
    await rmdir(directory).catch(() => {});
    throw error;
  }
}

function openAt(app: App, path: string): Promise<OpenDoor> {
  const bytes = Buffer.byteLength(path);
  if (bytes <= LONGEST_PATH_BYTES) return listenOnSocket(app, path);
  throw new Error(`${path} is too long for a socket: ${bytes} bytes, at most ${LONGEST_PATH_BYTES}`);
}

/** Sockets of a service that was killed: the lock says that it lives no more. */
async function removeLeftBehind(adminSocket: string, addressFile: string): Promise<void> {
  await removeSocket(adminSocket);
  const noted = readNote(addressFile)?.socket ?? adminSocket;
  const directory = dirname(noted);
  if (noted === adminSocket || !basename(directory).startsWith(OWN_DIRECTORY)) return;
  await removeSocket(noted);
  await rmdir(directory).catch(() => {});
}

async function removeSocket(path: string): Promise<void> {
  const entry = await lstat(path).catch(() => null);
  if (entry?.isSocket()) await rm(path, { force: true });
}

function none(problem: string): AdminSocket {
  return { path: null, problem, close: () => Promise.resolve() };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
