import type { ShardFacts, SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import type { FileAccess } from "./file-access.ts";
import type { ListedFile } from "./list-directory.ts";
import type { Pacer } from "./pacer.ts";
import { faultOf } from "./read-json.ts";
import { type OpenShard, openShard, readShard } from "./read-shard.ts";
import { WeightTable } from "./weight-table.ts";

/** Shards opened ahead of the one being scanned: the disk works while we do. One that hangs holds a thread for each. */
const OPEN_AHEAD = 2;
/** Of all shards together, half as many again as the largest published models have; more is an attack on our memory. */
const MAX_TENSORS = 300_000;

export interface Shards {
  readonly table: WeightTable;
  readonly shards: readonly ShardFacts[];
  readonly problems: readonly SnapshotProblem[];
}

/** Reads the headers of all shards: opened side by side, scanned one after the other. */
export async function readShards(
  found: readonly ListedFile[],
  files: FileAccess,
  pacer: Pacer,
): Promise<Shards> {
  const reading = { table: new WeightTable(), shards: [], problems: [] };
  const opening: Promise<Opened>[] = [];
  try {
    for (let index = 0; index < found.length; index += 1) {
      for (const file of found.slice(index + opening.length, index + OPEN_AHEAD))
        opening.push(open(file, files));
      const next = opening.shift();
      if (next !== undefined) await take(await next, reading, pacer);
    }
  } finally {
    await Promise.all(opening.map(closeOpened));
  }
  return reading;
}

async function take(
  opened: Opened,
  { table, shards, problems }: { table: WeightTable; shards: ShardFacts[]; problems: SnapshotProblem[] },
  pacer: Pacer,
): Promise<void> {
  if (opened.kind === "problem") {
    problems.push(opened.problem);
    return;
  }
  const { shard } = opened;
  try {
    const read = await readShard(shard, MAX_TENSORS - table.byName.size, pacer);
    await table.add(read.tensors, pacer);
    shards.push(read.facts);
    problems.push(...read.problems);
  } catch (error) {
    const detail = faultOf(error);
    if (detail === null) throw error;
    problems.push({ kind: "unreadable-file", file: shard.file.name, detail });
  } finally {
    await shard.handle.close();
  }
}

type Opened =
  | { readonly kind: "shard"; readonly shard: OpenShard }
  | { readonly kind: "problem"; readonly problem: SnapshotProblem };

async function open(file: ListedFile, files: FileAccess): Promise<Opened> {
  if (file.kind === "broken-link")
    return { kind: "problem", problem: { kind: "broken-link", file: file.name } };
  if (file.kind !== "file") return { kind: "problem", problem: { kind: "not-a-file", file: file.name } };
  try {
    return { kind: "shard", shard: await openShard(file, files) };
  } catch (error) {
    const detail = faultOf(error) ?? String(error);
    return { kind: "problem", problem: { kind: "unreadable-file", file: file.name, detail } };
  }
}

async function closeOpened(opening: Promise<Opened>): Promise<void> {
  const opened = await opening;
  if (opened.kind === "shard") await opened.shard.handle.close();
}
