import type { JsonObject, SnapshotFacts, SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import { checkWeights, embeddingRows, layerCount } from "./check-weights.ts";
import { IndexComparison, type PresentFiles } from "./compare-index.ts";
import { IndexReader } from "./read-index.ts";
import { scanFile } from "./read-json.ts";
import { readShards } from "./read-shards.ts";
import type { SnapshotRoom } from "./snapshot-room.ts";
import { surveyWeights } from "./survey-weights.ts";

/** The files mlx_lm loads, by its own pattern. */
const SHARD = /^model.*\.safetensors$/;
const FOREIGN = /\.(?:gguf|safetensors|npz|bin|pt|pth|ckpt|msgpack|h5|onnx)$/;
/** Beside the weights, not instead of them. */
const NOT_WEIGHTS = /^(?:training_args\.bin|optimizer|scheduler|rng_state|adapters?|adapter_model)/;
const INDEX = "model.safetensors.index.json";

export interface WeightsReading {
  readonly facts: Pick<
    SnapshotFacts,
    "shards" | "tensorCount" | "weightBytes" | "packing" | "foreignWeights"
  >;
  readonly problems: readonly SnapshotProblem[];
  /** Of the token embedding. */
  readonly rows: number | null;
}

/** What the weight files say, against each other, the index and the config. */
export async function readWeights(room: SnapshotRoom, config: JsonObject | null): Promise<WeightsReading> {
  const { listing, files, pacer } = room;
  const found = [...listing.values()].filter(({ name }) => SHARD.test(name));
  const { table, shards, problems } = await readShards(found, files, pacer);
  const survey = await surveyWeights(table.byName.values(), pacer);
  const index = await compareIndex(room, {
    listing,
    shards: new Set(found.map(({ name }) => name)),
    weights: table.byName,
    hasDuplicates: table.hasDuplicates,
    layers: config === null ? null : layerCount(config),
  });
  const foreign = [...listing.keys()].filter(
    (name) => FOREIGN.test(name) && !SHARD.test(name) && !NOT_WEIGHTS.test(name),
  );
  const none: SnapshotProblem[] = found.length === 0 ? [{ kind: "no-weights", foreign }] : [];
  return {
    facts: {
      shards,
      tensorCount: table.byName.size,
      weightBytes: survey.weightBytes,
      packing: survey.packing,
      foreignWeights: foreign,
    },
    problems: [
      ...none,
      ...problems,
      ...index.problems,
      ...table.duplicates(index.indexed),
      ...checkWeights(survey, table.byName, config),
    ],
    rows: embeddingRows(survey),
  };
}

async function compareIndex(
  { listing, files, pacer }: SnapshotRoom,
  present: PresentFiles,
): Promise<{ indexed: ReadonlySet<string>; problems: SnapshotProblem[] }> {
  const file = listing.get(INDEX);
  const comparison = new IndexComparison(present);
  if (file === undefined) return { indexed: comparison.indexed, problems: comparison.problems() };
  const reader = new IndexReader((tensor, name) => comparison.add(tensor, name));
  const outcome = await scanFile(file, reader, files, pacer);
  if (outcome.kind === "read") return { indexed: comparison.indexed, problems: comparison.problems() };
  // Half an index says nothing; the names of the files still do.
  const without = new IndexComparison(present).problems();
  return { indexed: new Set(), problems: [{ kind: "index-unreadable", detail: outcome.detail }, ...without] };
}
