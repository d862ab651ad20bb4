import { join } from "node:path";
import type { FileAccess } from "./file-access.ts";

/** A name in a model's directory and what is behind it. */
export interface ListedFile {
  readonly name: string;
  readonly path: string;
  readonly kind: "file" | "broken-link" | "other";
  readonly sizeBytes: number;
}

/** Everything in the directory by name, in the order of the names. @throws the file system's error */
export async function listDirectory(directory: string, files: FileAccess): Promise<Map<string, ListedFile>> {
  const names = (await files.readdir(directory)).toSorted();
  const listed = await Promise.all(names.map((name) => describe(directory, name, files)));
  return new Map(listed.map((file) => [file.name, file]));
}

async function describe(directory: string, name: string, files: FileAccess): Promise<ListedFile> {
  const path = join(directory, name);
  try {
    const facts = await files.stat(path);
    const kind = facts.isFile() ? "file" : "other";
    return { name, path, kind, sizeBytes: kind === "file" ? facts.size : 0 };
  } catch {
    // A name that leads nowhere: a dangling link, one that runs in a circle, or a file deleted just now.
    return { name, path, kind: "broken-link", sizeBytes: 0 };
  }
}
