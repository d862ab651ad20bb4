import type { Dirent } from "node:fs";
import { opendir } from "node:fs/promises";

/** Entries asked of the file system at a time: enough for nearly every directory, few enough to hold nobody up. */
const ENTRIES_AT_ONCE = 512;

/**
 * The first entries of a directory, at most so many: one may have millions.
 * @throws the file system's error
 */
export async function entriesIn(directory: string, most: number): Promise<Dirent[]> {
  const entries: Dirent[] = [];
  // Leaving the loop closes the directory.
  for await (const entry of await opendir(directory, { bufferSize: ENTRIES_AT_ONCE })) {
    if (entries.push(entry) >= most) break;
  }
  return entries;
}
