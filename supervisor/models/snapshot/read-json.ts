import { isUtf8 } from "node:buffer";
import type { JsonValue } from "../../policy/snapshot-facts.ts";
import { type FileAccess, readRange } from "./file-access.ts";
import { JsonError } from "./json-error.ts";
import { type JsonHandler, JsonScanner } from "./json-scanner.ts";
import { JsonTree } from "./json-tree.ts";
import { isLfsPointer } from "./lfs-pointer.ts";
import type { ListedFile } from "./list-directory.ts";
import type { Pacer } from "./pacer.ts";

const PIECE_BYTES = 256 * 1024;
/** Files that are kept as a whole; longer ones are something else. */
const MAX_BYTES = 16 * 1024 * 1024;

/** A file's content, or in `detail` why it has none. */
export type Reading<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "unreadable"; readonly detail: string };

/** Reads a JSON file of a model as Python would: NaN and Infinity are numbers, the last of two equal keys wins. */
export async function readJson(
  file: ListedFile,
  files: FileAccess,
  pacer: Pacer,
): Promise<Reading<JsonValue>> {
  if (file.sizeBytes > MAX_BYTES)
    return {
      kind: "unreadable",
      detail: `${file.sizeBytes} bytes, more than any model needs (${MAX_BYTES})`,
    };
  const builder = new JsonTree();
  const outcome = await scanFile(file, builder, files, pacer);
  return outcome.kind === "read" ? { kind: "read", value: builder.value } : outcome;
}

/** Feeds a JSON file of any length to a handler. Nothing is thrown but the pacer's abort reason. */
export async function scanFile(
  file: ListedFile,
  handler: JsonHandler,
  files: FileAccess,
  pacer: Pacer,
): Promise<Reading<null>> {
  if (file.kind !== "file") return { kind: "unreadable", detail: describeKind(file.kind) };
  try {
    await scan(file, new JsonScanner(handler, "python"), files, pacer);
    return { kind: "read", value: null };
  } catch (error) {
    if (error instanceof JsonError) return { kind: "unreadable", detail: `not JSON: ${error.message}` };
    if (isFileError(error)) return { kind: "unreadable", detail: error.code };
    throw error;
  }
}

async function scan(file: ListedFile, scanner: JsonScanner, files: FileAccess, pacer: Pacer): Promise<void> {
  const handle = await files.open(file.path);
  try {
    let position = 0;
    for (;;) {
      const piece = await readRange(handle, position, PIECE_BYTES);
      if (position === 0 && isLfsPointer(piece)) throw new JsonError("a Git LFS pointer", 0);
      scanner.feed(piece);
      position += piece.length;
      await pacer.pause();
      if (piece.length < PIECE_BYTES) break;
    }
  } finally {
    await handle.close();
  }
  scanner.finish();
}

/** Reads a text file of at most 16 MiB. */
export async function readText(file: ListedFile, files: FileAccess): Promise<Reading<string>> {
  if (file.kind !== "file") return { kind: "unreadable", detail: describeKind(file.kind) };
  if (file.sizeBytes > MAX_BYTES) return { kind: "unreadable", detail: `${file.sizeBytes} bytes` };
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
    if (isFileError(error)) return { kind: "unreadable", detail: error.code };
    throw error;
  }
}

function describeKind(kind: "broken-link" | "other"): string {
  return kind === "broken-link" ? "a link that leads nowhere" : "not a regular file";
}

export function isFileError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error;
}
