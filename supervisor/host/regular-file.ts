import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";

/** A named pipe has no end and a device may have none, so neither is opened in the place of a file. */
export class NotRegularFileError extends Error {
  readonly code = "NOT_A_REGULAR_FILE";
  readonly path: string;

  constructor(path: string, found: string) {
    super(`${path} is ${found}, expected a regular file`);
    this.name = "NotRegularFileError";
    this.path = path;
  }
}

/** A file is longer than whoever reads it can use. */
export class FileTooLongError extends Error {
  readonly code = "FILE_TOO_LONG";

  constructor(path: string, mostBytes: number) {
    super(`${path}: expected at most ${mostBytes} bytes, got more`);
    this.name = "FileTooLongError";
  }
}

/** Non-blocking: what became a pipe since it was looked at must not hold a thread until somebody writes into it. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

const APPEND_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const SMALLEST_PIECE_BYTES = 4 * 1024;

/**
 * Opens a file for reading, links followed. Never waits for another process.
 * @throws NotRegularFileError for a pipe, socket, device or directory; the file system's error
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  // Before it is opened: opening alone makes some devices act.
  refuseOthers(path, await stat(path));
  const handle = await open(path, READ_FLAGS);
  try {
    refuseOthers(path, await handle.stat());
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * The content of a file, whatever size it is said to have: those of the kernel have none and go on for ever.
 * @throws as `openRegularFile`, and FileTooLongError
 */
export async function readRegularFile(path: string, mostBytes: number): Promise<Buffer> {
  const handle = await openRegularFile(path);
  try {
    const { size } = await handle.stat();
    if (size > mostBytes) throw new FileTooLongError(path, mostBytes);
    const pieces: Buffer[] = [];
    let filled = 0;
    for (let read = -1; read !== 0; filled += read) {
      if (filled > mostBytes) throw new FileTooLongError(path, mostBytes);
      // One byte more than it has: what is longer than it was, or than it says, shows in the first piece.
      const piece = Buffer.allocUnsafe(Math.max(size + 1 - filled, SMALLEST_PIECE_BYTES));
      read = (await handle.read(piece, 0, piece.length, filled)).bytesRead;
      pieces.push(piece.subarray(0, read));
    }
    return Buffer.concat(pieces);
  } finally {
    await handle.close();
  }
}

/** As `readRegularFile`, for what is read before anything runs. */
export function readRegularFileSync(path: string, mostBytes: number): Buffer {
  refuseOthers(path, statSync(path));
  const file = openSync(path, READ_FLAGS);
  try {
    const facts = fstatSync(file);
    refuseOthers(path, facts);
    if (facts.size > mostBytes) throw new FileTooLongError(path, mostBytes);
    const buffer = Buffer.alloc(mostBytes + 1);
    let filled = 0;
    for (let read = -1; read !== 0 && filled < buffer.length; filled += read)
      read = readSync(file, buffer, filled, buffer.length - filled, filled);
    if (filled > mostBytes) throw new FileTooLongError(path, mostBytes);
    return buffer.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

/**
 * Opens a file to append to, made for its owner alone when it is not there. Never waits for a reader.
 * @throws NotRegularFileError; ENXIO for a pipe nobody reads; the file system's error
 */
export async function openForAppending(path: string): Promise<FileHandle> {
  const handle = await open(path, APPEND_FLAGS, 0o600);
  try {
    refuseOthers(path, await handle.stat());
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** As `openForAppending`, for a process that dies at once. */
export function openForAppendingSync(path: string): number {
  const file = openSync(path, APPEND_FLAGS, 0o600);
  try {
    refuseOthers(path, fstatSync(file));
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function refuseOthers(path: string, facts: Stats): void {
  if (!facts.isFile()) throw new NotRegularFileError(path, kindOf(facts));
}

function kindOf(facts: Stats): string {
  if (facts.isDirectory()) return "a directory";
  if (facts.isFIFO()) return "a named pipe";
  return facts.isSocket() ? "a socket" : "a device";
}
