import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { readRange } from "./snapshot/file-access.ts";

/** Bytes of a small file that are hashed whole. */
const WHOLE_FILE_BYTES = 1024 * 1024;
/** Of a larger one (tokenizers reach tens of MB) this many bytes at either end, with its size and mtime. */
const END_BYTES = 64 * 1024;
/** The safetensors format allows no longer header. */
const MAX_HEADER_BYTES = 100 * 1024 * 1024;

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
 * @throws the file system's error when a file vanishes meanwhile
 */
export async function modelDigest(directory: string, files: readonly ModelFile[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const kind = kindOf(file.name);
    if (kind === "other") continue;
    const isWhole = kind === "text" && file.sizeBytes <= WHOLE_FILE_BYTES;
    // The mtime of a small file says nothing its bytes do not: a fresh clone of the same text is the same model.
    const state = isWhole ? null : (file.blob ?? Math.floor(file.modifiedMs));
    hash.update(JSON.stringify([file.name, file.sizeBytes, state]));
    if (isWhole || file.blob === null) {
      hash.update(await identifyingBytes(join(directory, file.name), file, kind));
    }
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

async function identifyingBytes(
  path: string,
  { sizeBytes }: ModelFile,
  kind: Exclude<Kind, "other">,
): Promise<Buffer> {
  if (kind === "weights") return Buffer.alloc(0);
  const handle = await open(path, "r");
  try {
    if (kind === "safetensors") return await readHeader(handle, sizeBytes);
    if (sizeBytes <= WHOLE_FILE_BYTES) return await readRange(handle, 0, sizeBytes);
    const start = await readRange(handle, 0, END_BYTES);
    return Buffer.concat([start, await readRange(handle, sizeBytes - END_BYTES, END_BYTES)]);
  } finally {
    await handle.close();
  }
}

async function readHeader(handle: FileHandle, sizeBytes: number): Promise<Buffer> {
  const prefix = await readRange(handle, 0, 8);
  if (prefix.length < 8) return prefix;
  const headerBytes = prefix.readBigUInt64LE();
  // A damaged length identifies the damage well enough.
  if (headerBytes > BigInt(Math.min(sizeBytes, MAX_HEADER_BYTES))) return prefix;
  return await readRange(handle, 8, Number(headerBytes));
}
