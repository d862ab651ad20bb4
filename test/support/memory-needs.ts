import {
  estimateMemory,
  type MemoryEstimate,
  PROCESS_BYTES,
} from "../../supervisor/policy/memory/memory-estimate.ts";
import type { MemoryHolder } from "../../supervisor/policy/memory/memory-room.ts";

export const GIB = 1024 ** 3;

interface NeedFields {
  /** All that does not grow with the context. */
  readonly modelBytes: number;
  readonly bytesPerToken?: number;
  readonly contextTokens?: number;
  readonly concurrency?: number;
}

/** What a made-up model needs: exactly `modelBytes` and its caches. */
export function memoryNeed(fields: NeedFields): MemoryEstimate {
  const { modelBytes, bytesPerToken = 0, contextTokens = 4_096, concurrency = 1 } = fields;
  const besidesProcess = modelBytes - PROCESS_BYTES;
  return estimateMemory({
    weightsBytes: Math.min(1, besidesProcess),
    caches: [
      { kind: "KVCache", layers: 1, fixed_bytes: 0, bytes_per_token: bytesPerToken, window_tokens: null },
    ],
    prefillBytes: 0,
    contextTokens,
    concurrency,
    measuredPeakBytes: besidesProcess,
  });
}

/** A loaded, idle, unpinned model with all of its memory resident. */
export function memoryHolder(
  modelId: string,
  bytes: number,
  fields: Partial<MemoryHolder> = {},
): MemoryHolder {
  const use = { state: "loaded", isBusy: false, isPinned: false, lastUsedMs: 0 } as const;
  return { modelId, bytes, measuredBytes: bytes, ...use, ...fields };
}
