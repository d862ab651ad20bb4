import type { FileHandle } from "node:fs/promises";
import type { ShardFacts, SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import { checkLayout } from "./check-layout.ts";
import { type FileAccess, readRange } from "./file-access.ts";
import { HeaderError, HeaderReader } from "./header-reader.ts";
import { JsonError } from "./json-error.ts";
import { JsonScanner } from "./json-scanner.ts";
import { isLfsPointer } from "./lfs-pointer.ts";
import type { ListedFile } from "./list-directory.ts";
import type { Pacer } from "./pacer.ts";
import type { Tensor } from "./tensor.ts";

/** mlx refuses headers of this many bytes and more. */
const MAX_HEADER_BYTES = 100_000_000;
/** Read at once; most headers fit. Scanning as much takes about a millisecond. */
export const HEAD_BYTES = 64 * 1024;
const LENGTH_BYTES = 8;

/** A shard that was opened, with its first bytes. */
export interface OpenShard {
  readonly file: ListedFile;
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  readonly head: Buffer;
}

export interface ReadShard {
  readonly facts: ShardFacts;
  readonly tensors: readonly Tensor[];
  readonly problems: readonly SnapshotProblem[];
}

/** Opens a shard and reads its beginning. @throws the file system's error */
export async function openShard(file: ListedFile, files: FileAccess): Promise<OpenShard> {
  const handle = await files.open(file.path);
  try {
    const head = await readRange(handle, 0, Math.min(HEAD_BYTES, file.sizeBytes));
    return { file, handle, sizeBytes: file.sizeBytes, head };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * The tensors of one safetensors file, from its header alone. The caller closes the handle.
 *
 * @param limit tensors that may still come
 * @throws the file system's error, the pacer's abort reason
 */
export async function readShard(shard: OpenShard, limit: number, pacer: Pacer): Promise<ReadShard> {
  const file = shard.file.name;
  const nothing = (problem: SnapshotProblem): ReadShard => ({
    facts: { name: file, sizeBytes: shard.sizeBytes, headerBytes: 0, tensorCount: 0 },
    tensors: [],
    problems: [problem],
  });
  const length = headerLength(shard);
  if (typeof length !== "number") return nothing(length);
  const reader = new HeaderReader(file, limit);
  try {
    await scanHeader(shard, length, reader, pacer);
  } catch (error) {
    if (error instanceof JsonError || error instanceof HeaderError)
      return nothing({ kind: "bad-header", file, detail: error.message });
    throw error;
  }
  if (reader.isFull) return nothing({ kind: "too-many-tensors", file, limit });
  const headerEnd = LENGTH_BYTES + length;
  const problems: SnapshotProblem[] = [];
  if (reader.unreadable !== null) problems.push({ kind: "unsupported-dtype", file, ...reader.unreadable });
  problems.push(
    ...(await checkLayout(file, reader.tensors, {
      dataBytes: shard.sizeBytes - headerEnd,
      headerEnd,
      pacer,
    })),
  );
  return {
    facts: {
      name: file,
      sizeBytes: shard.sizeBytes,
      headerBytes: length,
      tensorCount: reader.tensors.length,
    },
    tensors: reader.tensors,
    problems,
  };
}

/** Bytes of the header, or what is wrong with a file that cannot have one. */
function headerLength({ file: { name: file }, sizeBytes, head }: OpenShard): number | SnapshotProblem {
  if (head.length === 0) return { kind: "empty-file", file };
  if (isLfsPointer(head)) return { kind: "lfs-pointer", file };
  if (head.length < LENGTH_BYTES)
    return { kind: "truncated", file, expectedBytes: LENGTH_BYTES, foundBytes: head.length };
  const length = head.readBigUInt64LE();
  if (length === 0n) return { kind: "bad-header", file, detail: "a header of 0 bytes" };
  if (length >= BigInt(MAX_HEADER_BYTES)) {
    const headerBytes = Number(length);
    return { kind: "header-too-large", file, headerBytes, limitBytes: MAX_HEADER_BYTES };
  }
  if (LENGTH_BYTES + Number(length) > sizeBytes)
    return { kind: "truncated", file, expectedBytes: LENGTH_BYTES + Number(length), foundBytes: sizeBytes };
  return Number(length);
}

async function scanHeader(
  { handle, head }: OpenShard,
  length: number,
  reader: HeaderReader,
  pacer: Pacer,
): Promise<void> {
  const scanner = new JsonScanner(reader, "safetensors");
  const end = LENGTH_BYTES + length;
  let piece = head.subarray(LENGTH_BYTES, end);
  let position = LENGTH_BYTES + piece.length;
  for (;;) {
    scanner.feed(piece);
    await pacer.pause();
    if (position >= end || reader.isFull) break;
    piece = await readRange(handle, position, Math.min(HEAD_BYTES, end - position));
    if (piece.length === 0) throw new HeaderError("the file became shorter while it was read");
    position += piece.length;
  }
  if (!reader.isFull) scanner.finish();
}
