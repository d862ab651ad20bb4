import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { openRegularFile } from "../host/regular-file.ts";
import { readRange } from "./snapshot/file-access.ts";
import { createPacer, type Pacer } from "./snapshot/pacer.ts";

/** Bytes of a small file that are hashed whole. */
const WHOLE_FILE_BYTES = 1024 * 1024;
/** Of a larger one (tokenizers reach tens of MB) this many bytes at either end, with its size and mtime. */
const END_BYTES = 64 * 1024;
/** Read and hashed in one go. Bytes. */
const PIECE_BYTES = 256 * 1024;
/** The safetensors format allows no longer header. */
const MAX_HEADER_BYTES = 100 * 1024 * 1024;
/** The largest headers have some ten million bytes. Of a longer one the beginning is hashed, beside size and mtime. */
const HASHED_HEADER_BYTES = 16 * 1024 * 1024;

/** A file of a model directory as the file system describes it. */
export interface ModelFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Hash of its content, where its place in a Hugging Face cache gives it. */
  readonly blob: string | null;
}

/**
 * Hex SHA-256 that changes when the model does: configuration, tokenizer and template bytes and, of every weight file,
 * name, size, mtime and safetensors header. Weights themselves are not read: a 400 GB model takes milliseconds.
 * Where a file's content is known by its hash, that stands for mtime and bytes: a download made anew is the same model.
 * @throws the file system's error when a file vanishes meanwhile, NotRegularFileError when it is none any more
 */
export async function modelDigest(
  directory: string,
  files: readonly ModelFile[],
  pacer: Pacer = createPacer(undefined),
): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const kind = kindOf(file.name);
    if (kind === "other") continue;
    const isWhole = kind === "text" && file.sizeBytes <= WHOLE_FILE_BYTES;
    // The mtime of a small file says nothing its bytes do not: a fresh clone of the same text is the same model.
    const state = isWhole ? null : (file.blob ?? Math.floor(file.modifiedMs));
    hash.update(JSON.stringify([file.name, file.sizeBytes, state]));
    if (kind !== "weights" && (isWhole || file.blob === null))
      await hashIdentifyingBytes(hash, join(directory, file.name), file, { kind, pacer });
  }
  return hash.digest("hex");
}

/** Configuration, templates, code, and every file the inspection takes for a vocabulary. */
const TEXT = /\.(?:json|jinja|model|tiktoken|bpe|spm|py)$|vocab.*\.(?:txt|jsonl)$|^merges\.txt$/;

type Kind = "text" | "safetensors" | "weights" | "other";

function kindOf(name: string): Kind {
  if (name.endsWith(".safetensors")) return "safetensors";
  if (/\.(gguf|npz|bin)$/.test(name)) return "weights";
  return TEXT.test(name) ? "text" : "other";
}

async function hashIdentifyingBytes(
  hash: Hash,
  path: string,
  { sizeBytes }: ModelFile,
  { kind, pacer }: { readonly kind: "text" | "safetensors"; readonly pacer: Pacer },
): Promise<void> {
  const handle = await openRegularFile(path);
  try {
    for (const [start, bytes] of await identifyingRanges(handle, sizeBytes, kind))
      await hashRange(hash, handle, { start, bytes, pacer });
  } finally {
    await handle.close();
  }
}

/** Where the bytes are that say which file it is, and how many. */
async function identifyingRanges(
  handle: FileHandle,
  sizeBytes: number,
  kind: "text" | "safetensors",
): Promise<[start: number, bytes: number][]> {
  if (kind === "safetensors") {
    const prefix = await readRange(handle, 0, 8);
    const headerBytes = prefix.length < 8 ? 0n : prefix.readBigUInt64LE();
    // A damaged length identifies the damage well enough.
    if (prefix.length < 8 || headerBytes > BigInt(Math.min(sizeBytes, MAX_HEADER_BYTES))) return [[0, 8]];
    return [[8, Math.min(Number(headerBytes), HASHED_HEADER_BYTES)]];
  }
  if (sizeBytes <= WHOLE_FILE_BYTES) return [[0, sizeBytes]];
  return [
    [0, END_BYTES],
    [sizeBytes - END_BYTES, END_BYTES],
  ];
}

async function hashRange(
  hash: Hash,
  handle: FileHandle,
  { start, bytes, pacer }: { readonly start: number; readonly bytes: number; readonly pacer: Pacer },
): Promise<void> {
  for (let done = 0; done < bytes; done += PIECE_BYTES) {
    hash.update(await readRange(handle, start + done, Math.min(PIECE_BYTES, bytes - done)));
    await pacer.pause();
  }
}
