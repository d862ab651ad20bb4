import { basename, dirname, join } from "node:path";
import { NotRegularFileError } from "../host/regular-file.ts";
import { type Decoded, type DocumentFormat, decodeDocument } from "./document-format.ts";
import { type Files, systemErrorCode } from "./files.ts";

/** Broken files that stay on disk for a person to look at; older ones are removed. */
const KEPT_CORRUPT_FILES = 3;

/** Where the data of this start came from, when not from the file itself. */
export type Recovery =
  /** The previous version, `.bak`: the last change may be missing. */
  | "bak"
  /** Nothing readable was left: whatever depends on history must be careful until the next start. */
  | "empty"
  /** The file belongs to a later release: read as far as understood, never written. */
  | "newer";

export interface ReadOutcome<T> {
  /** Null: there is no document, or none that can be read. */
  readonly data: T | null;
  readonly recovered: Recovery | null;
  /** What was wrong, in words; null when nothing was. */
  readonly problem: string | null;
  /** Why the file must not be written during this run; null when it may. */
  readonly blocked: string | null;
}

export interface ReadOptions<T> {
  readonly path: string;
  readonly format: DocumentFormat<T>;
  readonly files: Files;
  /** Milliseconds since the epoch; names the file that is set aside. */
  readonly now: () => number;
}

/** Reads a document and leaves a broken file beside it instead of in its place. Never throws. */
export async function readDocument<T>(options: ReadOptions<T>): Promise<ReadOutcome<T>> {
  const found = await examine(options.path, options);
  switch (found.kind) {
    case "current":
      return { data: found.data, recovered: null, problem: null, blocked: null };
    case "migrated":
      return afterMigration(found, options);
    case "newer": {
      const problem = `${options.path} has schema ${found.version}, this release knows ${options.format.version}`;
      return { data: found.data, recovered: "newer", problem, blocked: `${problem}; it stays as it is` };
    }
    case "absent":
      // Setting a broken file aside leaves only the backup, until the next write.
      return fromBackup(options, null, null);
    case "unreadable":
      return fromBackup(options, found.problem, `${found.problem}; it stays as it is`);
    case "bad":
      return fromBackup(options, found.problem, await setAside(options.path, "", options));
    default:
      return found satisfies never;
  }
}

type Found<T> =
  | Decoded<T>
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly problem: string };

async function examine<T>(path: string, { files, format }: ReadOptions<T>): Promise<Found<T>> {
  try {
    const bytes = await files.size(path);
    if (bytes === null) return { kind: "absent" };
    if (bytes > format.maxBytes) {
      return { kind: "bad", problem: `${path}: expected at most ${format.maxBytes} bytes, got ${bytes}` };
    }
    const decoded = decodeDocument(await files.read(path, format.maxBytes), format);
    return decoded.kind === "bad" ? { kind: "bad", problem: `${path}: ${decoded.problem}` } : decoded;
  } catch (thrown) {
    if (thrown instanceof NotRegularFileError) return { kind: "unreadable", problem: thrown.message };
    return { kind: "unreadable", problem: `${path} cannot be read (${systemErrorCode(thrown)})` };
  }
}

async function afterMigration<T>(
  found: { readonly data: T; readonly from: number },
  { path, files }: ReadOptions<T>,
): Promise<ReadOutcome<T>> {
  const backup = `${path}.schema-${found.from}`;
  try {
    if ((await files.size(backup)) === null) await files.duplicate(path, backup);
    return { data: found.data, recovered: null, problem: null, blocked: null };
  } catch (thrown) {
    const problem = `${path} has schema ${found.from} and its backup failed (${systemErrorCode(thrown)})`;
    return { data: found.data, recovered: null, problem, blocked: `${problem}; it stays as it is` };
  }
}

async function fromBackup<T>(
  options: ReadOptions<T>,
  problem: string | null,
  blocked: string | null,
): Promise<ReadOutcome<T>> {
  const path = `${options.path}.bak`;
  const found = await examine(path, options);
  if (found.kind === "current" || found.kind === "migrated") {
    return { data: found.data, recovered: "bak", problem: problem ?? `${options.path} is missing`, blocked };
  }
  if (found.kind === "absent") {
    return { data: null, recovered: problem === null ? null : "empty", problem, blocked };
  }
  const why = found.kind === "newer" ? `${path} has schema ${found.version}` : found.problem;
  // A backup that cannot be used must not be lost to the next write either.
  const backupBlocked =
    found.kind === "bad" ? await setAside(path, "-bak", options) : `${why}; it stays as it is`;
  return { data: null, recovered: "empty", problem: problem ?? why, blocked: blocked ?? backupBlocked };
}

/** Renames a broken file; says why it could not, because then it must not be written. */
async function setAside<T>(broken: string, suffix: string, options: ReadOptions<T>): Promise<string | null> {
  const stamp = new Date(options.now()).toISOString().replaceAll(/[-:.]/g, "");
  try {
    await options.files.rename(broken, `${options.path}.corrupt-${stamp}${suffix}`);
  } catch (thrown) {
    return `${broken} is broken and could not be set aside (${systemErrorCode(thrown)})`;
  }
  await removeOldest(options).catch(() => undefined);
  return null;
}

async function removeOldest<T>({ path, files }: ReadOptions<T>): Promise<void> {
  const directory = dirname(path);
  const prefix = `${basename(path)}.corrupt-`;
  const names = (await files.list(directory)).filter((name) => name.startsWith(prefix)).toSorted();
  for (const name of names.slice(0, -KEPT_CORRUPT_FILES)) await files.remove(join(directory, name));
}
