import type { Dirent } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { CatalogueEntry } from "./catalogue-entry.ts";
import type { FoundDirectory } from "./found-directory.ts";
import type { InsideRoots } from "./inside-roots.ts";
import { mapSome } from "./map-some.ts";
import { readModelConfig } from "./model-config.ts";
import { type ModelFile, modelDigest } from "./model-digest.ts";
import { MOST_FILES } from "./most-files.ts";
import { createPacer } from "./snapshot/pacer.ts";

/** Of one model; several models are examined side by side. */
const FILES_AT_ONCE = 16;

/** A model and what its facts were made from. */
export interface ExaminedModel {
  readonly entry: CatalogueEntry;
  /** Names, sizes and times (or blobs) of its files. */
  readonly signature: string;
}

/**
 * The facts of a model directory. Files are opened only when something changed since `before`.
 * Null: it has nothing in it any more, more files than a model has, or a link in it leads out of the roots.
 */
export async function examineModel(
  { id, path, entries }: FoundDirectory,
  inside: InsideRoots,
  before: ExaminedModel | undefined,
): Promise<ExaminedModel | null> {
  if (entries.length > MOST_FILES) {
    inside.refuse(
      path,
      `it has more than ${MOST_FILES} files, which no model has; move what is no part of it`,
    );
    return null;
  }
  const listed = await mapSome(entries, FILES_AT_ONCE, (entry) => examineFile(path, entry, inside));
  if (listed.includes("outside")) return null;
  const files = listed.filter((file) => typeof file === "object").filter((file) => file !== null);
  if (files.length === 0) return null;
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const signature = JSON.stringify([path, files]);
  if (before?.signature === signature && before.entry.digest !== null) return before;
  const config = files.find(({ name }) => name === "config.json");
  const pacer = createPacer(undefined);
  const facts = await readModelConfig(join(path, "config.json"), config?.sizeBytes ?? null, pacer);
  const digest = await modelDigest(path, files, pacer).catch(() => null);
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { signature, entry: { id, path, root: inside.root, sizeBytes, ...facts, digest } };
}

/** Null: a directory, a device, a link to nothing: not there as far as a model goes. */
async function examineFile(
  directory: string,
  entry: Dirent,
  inside: InsideRoots,
): Promise<ModelFile | "outside" | null> {
  if (!entry.isFile() && !entry.isSymbolicLink()) return null;
  const path = join(directory, entry.name);
  const link = entry.isSymbolicLink() ? await inside.follow(path) : null;
  if (link !== null && link.kind !== "inside") return link.kind === "outside" ? "outside" : null;
  const facts = await stat(link?.target ?? path).catch(() => null);
  if (!facts?.isFile()) return null;
  const blob = link === null ? null : blobOf(link.target);
  return { name: entry.name, sizeBytes: facts.size, modifiedMs: facts.mtimeMs, blob };
}

/** The Hugging Face cache keeps file contents in `blobs`, each under a hash of them. */
function blobOf(target: string): string | null {
  const name = basename(target);
  return basename(dirname(target)) === "blobs" && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(name) ? name : null;
}
