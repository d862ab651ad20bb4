import type { PackingFacts } from "../../policy/admission/snapshot-facts.ts";
import { forEachPaced, type Pacer } from "./pacer.ts";
import type { Tensor } from "./tensor.ts";

/** What one walk over all tensors collects for the checks that follow. */
export interface WeightSurvey {
  readonly packing: PackingFacts;
  readonly weightBytes: number;
  /** Scales of tensors quantised by mlx, `<path>.scales`. */
  readonly scales: readonly Tensor[];
  /** Tensors of an integer type. */
  readonly integers: readonly Tensor[];
  /** Two-dimensional tensors that look like the token embedding. */
  readonly embeddings: readonly Tensor[];
  /** Numbers of the layers, by what stands before the number. */
  readonly layers: ReadonlyMap<string, ReadonlySet<number>>;
}

const EMBEDDING =
  /(?:^|\.)(?:embed_tokens|tok_embeddings|word_embeddings|embed_in|wte|token_embeddings|embeddings|embedding|embedder)\.weight$/;
/** Towers beside the language model have layers and embeddings of their own. */
const BESIDE =
  /(?:^|[._])(?:vision|visual|vit|audio|image|encoder|projector|mtp|draft|eagle|position|aligner)/;
const LAYER = /^(.*?(?:^|\.)(?:layers|h|blocks))\.(\d+)\./;

export async function surveyWeights(weights: Iterable<Tensor>, pacer: Pacer): Promise<WeightSurvey> {
  const scales: Tensor[] = [];
  const integers: Tensor[] = [];
  const embeddings: Tensor[] = [];
  const layers = new Map<string, Set<number>>();
  let [weightBytes, hasFp8, hasPackedIntegers, hasGroupIndex] = [0, false, false, false];
  const visit = (weight: Tensor): void => {
    const { name, dtype } = weight;
    weightBytes += weight.end - weight.begin;
    hasFp8 ||= dtype.name === "F8_E4M3" || name.endsWith(".weight_scale_inv");
    if (name.endsWith(".scales")) scales.push(weight);
    if (dtype.kind === "integer") {
      integers.push(weight);
      hasPackedIntegers ||= name.endsWith(".qweight");
      hasGroupIndex ||= name.endsWith(".g_idx");
    }
    const isInLayer = addLayer(layers, name);
    if (!isInLayer && weight.shape.length === 2 && EMBEDDING.test(name) && !BESIDE.test(name))
      embeddings.push(weight);
  };
  await forEachPaced(weights, visit, pacer);
  const packing = { hasFp8, hasPackedIntegers, hasGroupIndex };
  return { packing, weightBytes, scales, integers, embeddings, layers };
}

/** Whether the tensor belongs to a layer. */
function addLayer(layers: Map<string, Set<number>>, name: string): boolean {
  const [match, prefix, number] = LAYER.exec(name) ?? [];
  if (match === undefined || prefix === undefined) return false;
  if (BESIDE.test(prefix)) return true;
  const numbers = layers.get(prefix) ?? new Set();
  layers.set(prefix, numbers.add(Number(number)));
  return true;
}
