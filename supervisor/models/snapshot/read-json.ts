import { isUtf8 } from "node:buffer";
import { NotRegularFileError } from "../../host/regular-file.ts";
import type { JsonValue } from "../../policy/admission/snapshot-facts.ts";
import { type FileAccess, readRange } from "./file-access.ts";
import { JsonError, JsonTooLargeError } from "./json-error.ts";
import { type JsonHandler, JsonScanner } from "./json-scanner.ts";
import { JsonTree } from "./json-tree.ts";
import { isLfsPointer } from "./lfs-pointer.ts";
import type { ListedFile } from "./list-directory.ts";
import type { Pacer } from "./pacer.ts";

/** Read and scanned in one go: about a millisecond of work. */
const PIECE_BYTES = 64 * 1024;
/** Files of which a tree is built; longer ones are something else. */
const MAX_TREE_BYTES = 16 * 1024 * 1024;
/** Files that only pass by: the largest vocabularies and indexes have some tens of megabytes. */
const MAX_SCANNED_BYTES = 256 * 1024 * 1024;
/** Chat templates; the longest that are published have some hundred kilobytes. */
const MAX_TEXT_BYTES = 1024 * 1024;

/** A file's content, or in `detail` why it has none. */
export type Reading<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "unreadable"; readonly detail: string };

/**
 * Reads a JSON file of a model as Python would: NaN and Infinity are numbers, the last of two equal keys wins.
 * @param wanted members of the object to keep; null: all
 */
export async function readJson(
  file: ListedFile,
  files: FileAccess,
  pacer: Pacer,
  wanted: ReadonlySet<string> | null = null,
): Promise<Reading<JsonValue>> {
  if (file.sizeBytes > MAX_TREE_BYTES) return tooLong(file, MAX_TREE_BYTES);
  const builder = new JsonTree(wanted);
  const outcome = await scanFile(file, builder, files, pacer);
  return outcome.kind === "read" ? { kind: "read", value: builder.value } : outcome;
}

/**
 * Feeds a JSON file to a handler, as many bytes as it was listed with: it may grow, or have no end. Nothing is thrown
 * but the pacer's abort reason.
 */
export async function scanFile(
  file: ListedFile,
  handler: JsonHandler,
  files: FileAccess,
  pacer: Pacer,
): Promise<Reading<null>> {
  if (file.kind !== "file") return notAFile(file.kind);
  if (file.sizeBytes > MAX_SCANNED_BYTES) return tooLong(file, MAX_SCANNED_BYTES);
  try {
    await scan(file, new JsonScanner(handler, "python"), files, pacer);
    return { kind: "read", value: null };
  } catch (error) {
    if (error instanceof JsonError) return { kind: "unreadable", detail: `not JSON: ${error.message}` };
    if (error instanceof JsonTooLargeError) return { kind: "unreadable", detail: error.message };
    return fileFault(error);
  }
}

async function scan(file: ListedFile, scanner: JsonScanner, files: FileAccess, pacer: Pacer): Promise<void> {
  const handle = await files.open(file.path);
  try {
    for (let position = 0; position < file.sizeBytes; position += PIECE_BYTES) {
      const wantedBytes = Math.min(PIECE_BYTES, file.sizeBytes - position);
      const piece = await readRange(handle, position, wantedBytes);
      if (position === 0 && isLfsPointer(piece)) throw new JsonError("a Git LFS pointer", 0);
      scanner.feed(piece);
      await pacer.pause();
      if (piece.length < wantedBytes) break;
    }
  } finally {
    await handle.close();
  }
  scanner.finish();
}

/** Reads a text file of at most 1 MiB. */
export async function readText(file: ListedFile, files: FileAccess): Promise<Reading<string>> {
  if (file.kind !== "file") return notAFile(file.kind);
  if (file.sizeBytes > MAX_TEXT_BYTES) return tooLong(file, MAX_TEXT_BYTES);
  try {
    const handle = await files.open(file.path);
    try {
      const bytes = await readRange(handle, 0, file.sizeBytes);
      return isUtf8(bytes)
        ? { kind: "read", value: bytes.toString() }
        : { kind: "unreadable", detail: "not UTF-8" };
    } finally {
      await handle.close();
    }
  } catch (error) {
    return fileFault(error);
  }
}

type Unreadable = Extract<Reading<never>, { kind: "unreadable" }>;

function notAFile(kind: Exclude<ListedFile["kind"], "file">): Unreadable {
  const detail = kind === "broken-link" ? "a link that leads nowhere" : "not a regular file";
  return { kind: "unreadable", detail };
}

function tooLong({ sizeBytes }: ListedFile, mostBytes: number): Unreadable {
  return { kind: "unreadable", detail: `${sizeBytes} bytes, more than any model needs (${mostBytes})` };
}

/** What the file system says, in a word. @throws anything else */
function fileFault(error: unknown): Unreadable {
  const detail = faultOf(error);
  if (detail === null) throw error;
  return { kind: "unreadable", detail };
}

/** Why a file could not be opened or read; null: it was something else. */
export function faultOf(error: unknown): string | null {
  if (error instanceof NotRegularFileError) return "not a regular file";
  return isFileError(error) ? error.code : null;
}

function isFileError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error;
}
