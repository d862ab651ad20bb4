import type { CacheFootprint } from "../../../shared/worker-protocol.ts";

/** mlx_lm's caches grow by this many tokens at a time (`step` in mlx_lm/models/cache.py). */
export const CACHE_STEP_TOKENS = 256;

/** A model whose context would have to be smaller than this, to fit, does not fit. */
export const SMALLEST_USEFUL_CONTEXT = 2_048;

/** Weights take more than their tensors: buffers of the load, the allocator's own cache. 10 to 15 % were seen. */
const WEIGHTS_FACTOR = 1.125;

/**
 * Python, mlx, mlx_lm and transformers in a worker before it loads anything, tokenizer included: ≈ 150 MB measured; and
 * its process for chat templates, which has 40 MB of its own.
 */
export const PROCESS_BYTES = 190 * 1024 ** 2;

/** What a model is known to need before it is loaded: the worker's `inspect` and the configuration. */
export interface MemoryFacts {
  /** Bytes of all parameters as they will be loaded. */
  readonly weightsBytes: number;
  readonly caches: readonly CacheFootprint[];
  /** Working memory of one prefill chunk. */
  readonly prefillBytes: number;
  readonly contextTokens: number;
  /** Rows decoded together. */
  readonly concurrency: number;
  /** The worker's highest use in an earlier load and canary of exactly this model and runtime; null: never loaded. */
  readonly measuredPeakBytes: number | null;
}

/** What a model will take. Bytes unless said otherwise. */
export interface MemoryEstimate {
  /** The parameters alone. */
  readonly weightsBytes: number;
  /** What the loaded model takes: measured, or the weights and a margin. */
  readonly modelBytes: number;
  /** Caches of one row at full context. */
  readonly cacheBytes: number;
  /** Caches of every row at full context: for information, no machine is asked for it. */
  readonly fullCacheBytes: number;
  readonly workingBytes: number;
  readonly processBytes: number;
  /** Below this it is not admitted: model, process, one prefill chunk and one row at full context. */
  readonly requiredBytes: number;
  /** The same with a row of 2,048 tokens: below it a smaller context does not help. */
  readonly minimumBytes: number;
  readonly kvBytesPerToken: number;
  readonly basis: "measured" | "estimated";
  readonly contextTokens: number;
  readonly caches: readonly CacheFootprint[];
}

/**
 * What loading and serving a model will take.
 *
 * required = model + working + process + caches of one row at full context, where model = weights × 1.125, or the peak
 * of an earlier load. That peak holds weights and a canary of a few tokens, so it says nothing of the caches.
 * Rows × context is not required: 32 rows of 128k tokens would refuse nearly everything. More rows share what the grant
 * leaves beyond this (memory-admission.ts) and wait in the worker when it is used up.
 */
export function estimateMemory(facts: MemoryFacts): MemoryEstimate {
  const { weightsBytes, caches, contextTokens, measuredPeakBytes } = facts;
  const modelBytes =
    measuredPeakBytes === null
      ? Math.ceil(weightsBytes * WEIGHTS_FACTOR)
      : Math.max(weightsBytes, measuredPeakBytes);
  const cacheBytes = cacheBytesPerRow(caches, contextTokens);
  const besidesCaches = modelBytes + facts.prefillBytes + PROCESS_BYTES;
  const smallContext = Math.min(contextTokens, SMALLEST_USEFUL_CONTEXT);
  return {
    weightsBytes,
    modelBytes,
    cacheBytes,
    fullCacheBytes: cacheBytes * facts.concurrency,
    workingBytes: facts.prefillBytes,
    processBytes: PROCESS_BYTES,
    requiredBytes: besidesCaches + cacheBytes,
    minimumBytes: besidesCaches + cacheBytesPerRow(caches, smallContext),
    kvBytesPerToken: kvBytesPerToken(caches),
    basis: measuredPeakBytes === null ? "estimated" : "measured",
    contextTokens,
    caches,
  };
}

/** Bytes that one row of so many tokens keeps in its caches: each grows in steps of 256 tokens, up to its window. */
export function cacheBytesPerRow(caches: readonly CacheFootprint[], tokens: number): number {
  const held = Math.ceil(tokens / CACHE_STEP_TOKENS) * CACHE_STEP_TOKENS;
  return caches.reduce(
    (sum, cache) =>
      sum + cache.fixed_bytes + cache.bytes_per_token * Math.min(held, cache.window_tokens ?? held),
    0,
  );
}

/** Bytes that each further token of a row takes while the row is shorter than every window. */
export function kvBytesPerToken(caches: readonly CacheFootprint[]): number {
  return caches.reduce((sum, cache) => sum + cache.bytes_per_token, 0);
}

/**
 * The largest context, in tokens, with which the model would fit into so many bytes: the configured one, or a multiple
 * of 256 below it. Null: not even a row of 2,048 tokens fits.
 */
export function largestContext(estimate: MemoryEstimate, bytes: number): number | null {
  if (bytes >= estimate.requiredBytes) return estimate.contextTokens;
  if (bytes < estimate.minimumBytes) return null;
  const forCaches = bytes - (estimate.requiredBytes - estimate.cacheBytes);
  // A row never shrinks as it gets longer: halve the distance between a length that fits and one that does not.
  let fits = SMALLEST_USEFUL_CONTEXT / CACHE_STEP_TOKENS;
  let fails = Math.ceil(estimate.contextTokens / CACHE_STEP_TOKENS);
  while (fails - fits > 1) {
    const middle = Math.floor((fits + fails) / 2);
    if (cacheBytesPerRow(estimate.caches, middle * CACHE_STEP_TOKENS) <= forCaches) fits = middle;
    else fails = middle;
  }
  return fits * CACHE_STEP_TOKENS;
}
