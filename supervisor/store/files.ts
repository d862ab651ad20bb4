import { constants } from "node:fs";
import { copyFile, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { readRegularFile } from "../host/regular-file.ts";

/** A file that is being written; nobody else knows its name yet. */
export interface NewFile {
  write(bytes: Buffer): Promise<void>;
  /** Waits until the bytes are on the device. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file operations a durable document needs, so that a test can make any one of them fail. */
export interface Files {
  /** Size in bytes; null when there is no such file. */
  size(path: string): Promise<number | null>;
  /** @throws NotRegularFileError, FileTooLongError, the file system's error */
  read(path: string, mostBytes: number): Promise<Buffer>;
  /** Names in a directory; none when there is no such directory. */
  list(directory: string): Promise<string[]>;
  makeDirectory(directory: string): Promise<void>;
  /** Opens a file that must not exist yet, readable by its owner only. */
  create(path: string): Promise<NewFile>;
  /** Gives the file a second, new name that later renames of the first do not touch. */
  duplicate(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A missing file is fine. */
  remove(path: string): Promise<void>;
  /** Makes renames inside the directory survive a power cut. */
  syncDirectory(directory: string): Promise<void>;
}

export const realFiles: Files = {
  size,
  read: readRegularFile,
  list,
  makeDirectory: async (directory) => void (await mkdir(directory, { recursive: true, mode: 0o700 })),
  create,
  duplicate,
  rename,
  remove: (path) => rm(path, { force: true }),
  syncDirectory,
};

/** Reads like the real ones and writes nothing: for a directory that somebody else may come to own. */
export const readOnlyFiles: Files = {
  ...realFiles,
  makeDirectory: refuseToWrite,
  create: refuseToWrite,
  duplicate: refuseToWrite,
  rename: refuseToWrite,
  remove: refuseToWrite,
  syncDirectory: refuseToWrite,
};

function refuseToWrite(path: string): Promise<never> {
  return Promise.reject(Object.assign(new Error(`${path} is only read`), { code: "EROFS" }));
}

/** The error code of a failed system call, `UNKNOWN` for anything else. */
export function systemErrorCode(thrown: unknown): string {
  if (!(thrown instanceof Error) || !("code" in thrown)) return "UNKNOWN";
  return typeof thrown.code === "string" ? thrown.code : "UNKNOWN";
}

async function size(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return null;
    throw thrown;
  }
}

async function list(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return [];
    throw thrown;
  }
}

async function create(path: string): Promise<NewFile> {
  const handle = await open(path, "wx", 0o600);
  return {
    write: (bytes) => handle.writeFile(bytes),
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}

async function duplicate(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (thrown) {
    // File systems without hard links (exFAT, some network shares) get a copy.
    const code = systemErrorCode(thrown);
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "ENOSYS") throw thrown;
    await copyFile(from, to, constants.COPYFILE_EXCL);
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } catch (thrown) {
    // Not every file system can sync a directory; those that cannot order renames by themselves.
    const code = systemErrorCode(thrown);
    if (code !== "EINVAL" && code !== "ENOTSUP" && code !== "EOPNOTSUPP") throw thrown;
  } finally {
    await handle.close();
  }
}
