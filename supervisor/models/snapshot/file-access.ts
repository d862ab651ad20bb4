import { constants } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";

/** The only ways a snapshot is touched. Tests put a recording one in its place. */
export interface FileAccess {
  readonly readdir: (directory: string) => Promise<string[]>;
  /** Follows links: weights are links in the Hugging Face cache. */
  readonly stat: (path: string) => Promise<{ readonly size: number; isFile(): boolean }>;
  readonly open: (path: string) => Promise<FileHandle>;
}

export const diskAccess: FileAccess = {
  readdir: (directory) => readdir(directory),
  stat: (path) => stat(path),
  // Non-blocking: a file swapped for a pipe since it was looked at must not hold a thread for ever.
  open: (path) => open(path, constants.O_RDONLY | constants.O_NONBLOCK),
};

/** The bytes from `position` on, fewer only at the end of the file. */
export async function readRange(handle: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await handle.read(buffer, filled, bytes - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
