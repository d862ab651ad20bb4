import { join } from "node:path";
import { mapSome } from "../map-some.ts";
import { MOST_FILES } from "../most-files.ts";
import type { FileAccess } from "./file-access.ts";

/** A name in a model's directory and what is behind it. */
export interface ListedFile {
  readonly name: string;
  readonly path: string;
  /** `special`: a named pipe, a socket or a device. */
  readonly kind: "file" | "broken-link" | "directory" | "special";
  readonly sizeBytes: number;
}

/** Asked of the disk side by side: one that hangs holds a thread for each, and there are four for all files. */
const ASKED_AT_ONCE = 2;

/**
 * Everything in the directory by name, in the order of the names; null: more than any model has.
 * @throws the file system's error
 */
export async function listDirectory(
  directory: string,
  files: FileAccess,
): Promise<Map<string, ListedFile> | null> {
  const names = (await files.readdir(directory, MOST_FILES + 1)).toSorted();
  if (names.length > MOST_FILES) return null;
  const listed = await mapSome(names, ASKED_AT_ONCE, (name) => describe(directory, name, files));
  return new Map(listed.map((file) => [file.name, file]));
}

async function describe(directory: string, name: string, files: FileAccess): Promise<ListedFile> {
  const path = join(directory, name);
  try {
    const facts = await files.stat(path);
    if (facts.isFile()) return { name, path, kind: "file", sizeBytes: facts.size };
    return { name, path, kind: facts.isDirectory() ? "directory" : "special", sizeBytes: 0 };
  } catch {
    // A name that leads nowhere: a dangling link, one that runs in a circle, or a file deleted just now.
    return { name, path, kind: "broken-link", sizeBytes: 0 };
  }
}
