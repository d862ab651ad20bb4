import type { Stats } from "node:fs";
import { type FileHandle, stat } from "node:fs/promises";
import { openRegularFile } from "../../host/regular-file.ts";
import { entriesIn } from "../entries-in.ts";

/** The only ways a snapshot is touched. Tests put a recording one in its place. */
export interface FileAccess {
  /** At most so many names. */
  readonly readdir: (directory: string, most: number) => Promise<string[]>;
  /** Follows links: weights are links in the Hugging Face cache. */
  readonly stat: (path: string) => Promise<Pick<Stats, "size" | "isFile" | "isDirectory">>;
  /** @throws NotRegularFileError for anything that is no file */
  readonly open: (path: string) => Promise<FileHandle>;
}

export const diskAccess: FileAccess = {
  readdir: async (directory, most) => (await entriesIn(directory, most)).map(({ name }) => name),
  stat: (path) => stat(path),
  open: openRegularFile,
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
