import type { JsonObject, JsonValue, SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import { isObject } from "./json-object.ts";
import type { WeightSurvey } from "./survey-weights.ts";
import type { Tensor } from "./tensor.ts";

/** Names under which architectures keep the number of their layers. */
const LAYER_KEYS = ["num_hidden_layers", "num_layers", "n_layer", "n_layers"];
const AFFINE_BITS = [2, 3, 4, 5, 6, 8];
const AFFINE_GROUPS = [16, 32, 64, 128];
/** Packings whose scales are bytes: bits and group size come in fixed pairs. */
const BYTE_SCALED = [
  [4, 16],
  [4, 32],
  [8, 32],
] as const;

/** What names, types and shapes say against each other and against the config. */
export function checkWeights(
  survey: WeightSurvey,
  weights: ReadonlyMap<string, Tensor>,
  config: JsonObject | null,
): SnapshotProblem[] {
  return [
    ...checkIntegers(survey.integers, weights),
    ...checkPackings(survey.scales, weights, config),
    ...(config === null ? [] : checkLayers(survey.layers, config)),
  ];
}

/** Rows of the token embedding; null when no tensor looks like it. */
export function embeddingRows({ embeddings }: WeightSurvey): number | null {
  // There may be more of them than a call takes arguments.
  return embeddings.reduce<number | null>((most, { shape }) => Math.max(most ?? 0, shape[0] ?? 0), null);
}

const FLOAT_NAMES = /(?:^|\.)(?:weight|bias|biases|A_log|D|dt_bias|sinks)$/;
/** What stands beside a weight that is packed into integers. */
const COMPANIONS = ["scales", "weight_scale", "weight_scale_inv", "weight_scale_2", "SCB", "absmax"];

/** mlx_lm loads an integer in the place of a float without a word and computes nonsense. */
function checkIntegers(integers: readonly Tensor[], weights: ReadonlyMap<string, Tensor>): SnapshotProblem[] {
  const wrong = integers.find(({ name, dtype }) => {
    if (!FLOAT_NAMES.test(name)) return false;
    if (!name.endsWith(".weight")) return true;
    const path = name.slice(0, -".weight".length);
    const isPacked = COMPANIONS.some((companion) => weights.has(`${path}.${companion}`));
    return !isPacked || (weights.has(`${path}.scales`) && dtype.name !== "U32");
  });
  if (wrong === undefined) return [];
  const isPacked = weights.has(`${wrong.name.slice(0, -".weight".length)}.scales`);
  const expected = isPacked ? "U32" : "a floating-point type";
  return [
    { kind: "dtype-mismatch", tensor: wrong.name, file: wrong.file, dtype: wrong.dtype.name, expected },
  ];
}

function checkPackings(
  scales: readonly Tensor[],
  weights: ReadonlyMap<string, Tensor>,
  config: JsonObject | null,
): SnapshotProblem[] {
  const problems: SnapshotProblem[] = [];
  for (const scale of scales) {
    const path = scale.name.slice(0, -".scales".length);
    const weight = weights.get(`${path}.weight`);
    if (weight?.dtype.name !== "U32") continue;
    const problem = checkPacking(path, weight, scale, config?.quantization);
    // One of a kind says it; the others are most likely the same.
    if (problem !== null && !problems.some(({ kind }) => kind === problem.kind)) problems.push(problem);
  }
  return problems;
}

function checkPacking(
  path: string,
  weight: Tensor,
  scale: Tensor,
  quantization: JsonValue | undefined,
): SnapshotProblem | null {
  const tensor = weight.name;
  const [columns, groups] = [weight.shape.at(-1) ?? 0, scale.shape.at(-1) ?? 0];
  const found = `a weight of ${shapeOf(weight)} words with scales of ${shapeOf(scale)}`;
  if (weight.shape.slice(0, -1).join() !== scale.shape.slice(0, -1).join())
    return { kind: "broken-packing", tensor, detail: `${found}: the rows differ` };
  const fits = (bits: number, group: number) => columns * 32 === groups * group * bits;
  const isPossible =
    scale.dtype.kind === "integer" || scale.dtype.kind === "fp8"
      ? BYTE_SCALED.some(([bits, group]) => fits(bits, group))
      : AFFINE_BITS.some((bits) => AFFINE_GROUPS.some((group) => fits(bits, group)));
  if (!isPossible)
    return { kind: "broken-packing", tensor, detail: `${found}: no number of bits and group size fits` };
  if (!isObject(quantization)) return null;
  const own = quantization[path];
  const said = packingOf(isObject(own) ? own : quantization);
  if (said === null || fits(...said)) return null;
  const detail = `${found}, but the config says ${said[0]} bits in groups of ${said[1]}`;
  // mlx_lm takes an entry of the tensor's own as it is; the general one it corrects from the shapes.
  return { kind: isObject(own) ? "broken-packing" : "packing-differs", tensor, detail };
}

function packingOf({ bits, group_size: group }: JsonObject): [bits: number, group: number] | null {
  return typeof bits === "number" && typeof group === "number" ? [bits, group] : null;
}

/** Whether the layers the config speaks of are there. More than those are mlx_lm's business: it drops some by itself. */
function checkLayers(layers: WeightSurvey["layers"], config: JsonObject): SnapshotProblem[] {
  const expected = layerCount(config);
  const sets = [...layers.values()];
  if (expected === null || sets.length === 0) return [];
  // Together first: there may be as many sets as tensors, and each number asked of each would take minutes.
  const all = new Set(sets.flatMap((set) => [...set]));
  const present = Array.from({ length: Math.min(expected, 4096) }, (_, index) => index);
  const first = present.findIndex((index) => !all.has(index));
  const found = all.size;
  if (first !== -1) return [{ kind: "missing-layers", expected, found, first }];
  return found > expected + predictionLayers(config) ? [{ kind: "extra-layers", expected, found }] : [];
}

/** Layers for multi-token prediction, which published models bring along and mlx_lm drops. */
function predictionLayers({ num_nextn_predict_layers: count }: JsonObject): number {
  return typeof count === "number" && count > 0 ? count : 0;
}

/** Null: not said, or the layers need not have tensors of their own. */
export function layerCount(config: JsonObject): number | null {
  const text = isObject(config.text_config) ? config.text_config : config;
  // Searched architectures may leave whole layers out, and afm7 numbers some of its layers apart.
  if (text.block_configs !== undefined || text.num_kv_reuse_layers !== undefined) return null;
  const counts = LAYER_KEYS.map((key) => text[key]).filter((count) => typeof count === "number");
  const count = Math.min(...counts);
  return Number.isSafeInteger(count) && count > 0 ? count : null;
}

function shapeOf({ shape }: Tensor): string {
  return shape.join("×");
}
