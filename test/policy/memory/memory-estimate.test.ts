import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CacheFootprint } from "../../../shared/worker-protocol.ts";
import {
  cacheBytesPerRow,
  estimateMemory,
  kvBytesPerToken,
  largestContext,
  type MemoryFacts,
  PROCESS_BYTES,
} from "../../../supervisor/policy/memory/memory-estimate.ts";

const GB = 1e9;

function cache(fields: Partial<CacheFootprint>): CacheFootprint {
  return { kind: "KVCache", layers: 1, fixed_bytes: 0, bytes_per_token: 0, window_tokens: null, ...fields };
}

/** 32 layers × (keys + values) × 8 heads × 128 × 2 bytes. */
const LLAMA3_8B = cache({ layers: 32, bytes_per_token: 32 * 2 * 8 * 128 * 2 });
/** 61 layers × (latent 512 + rope 64) × 2 bytes. */
const KIMI_K2 = cache({ layers: 61, bytes_per_token: 61 * (512 + 64) * 2 });

function facts(fields: Partial<MemoryFacts> = {}): MemoryFacts {
  return {
    weightsBytes: 4.5 * GB,
    caches: [LLAMA3_8B],
    prefillBytes: 500_000_000,
    contextTokens: 32_768,
    concurrency: 32,
    measuredPeakBytes: null,
    ...fields,
  };
}

describe("the caches of a row", () => {
  it.each([
    ["llama3-8b", LLAMA3_8B, 4.29],
    ["kimi-k2", KIMI_K2, 2.3],
  ])("of %s take what the built model takes at 32k tokens", (_, footprint, gigabytes) => {
    expect(cacheBytesPerRow([footprint], 32_768) / GB).toBeCloseTo(gigabytes, 2);
  });

  it("grow in steps of 256 tokens", () => {
    const caches = [cache({ bytes_per_token: 10 })];
    expect([0, 1, 256, 257].map((tokens) => cacheBytesPerRow(caches, tokens))).toEqual([0, 2560, 2560, 5120]);
  });

  it("stop at their window, and have a part that does not grow", () => {
    const caches = [
      cache({ bytes_per_token: 10 }),
      cache({ kind: "RotatingKVCache", bytes_per_token: 100, window_tokens: 1_000 }),
      cache({ kind: "ArraysCache", fixed_bytes: 7 }),
    ];
    expect(cacheBytesPerRow(caches, 4_096)).toBe(40_960 + 100_000 + 7);
    expect(cacheBytesPerRow(caches, 256)).toBe(2_560 + 25_600 + 7);
    expect(kvBytesPerToken(caches)).toBe(110);
  });
});

describe("the estimate", () => {
  it("asks for one row at full context, not for all", () => {
    const estimate = estimateMemory(facts());
    expect(estimate.basis).toBe("estimated");
    expect(estimate.modelBytes).toBe(4.5 * GB * 1.125);
    expect(estimate.requiredBytes).toBe(
      4.5 * GB * 1.125 + 500_000_000 + PROCESS_BYTES + cacheBytesPerRow([LLAMA3_8B], 32_768),
    );
    expect(estimate.fullCacheBytes).toBe(32 * estimate.cacheBytes);
    expect(estimate.kvBytesPerToken).toBe(131_072);
  });

  it("of kimi-k2 stays close to its weights: its caches are small", () => {
    const { requiredBytes } = estimateMemory(facts({ weightsBytes: 577.6 * GB, caches: [KIMI_K2] }));
    expect(requiredBytes / GB).toBeCloseTo(577.6 * 1.125 + 2.3 + 0.5 + 0.157, 1);
  });

  it("puts a measured peak in the place of the weights, not of the caches", () => {
    const guessed = estimateMemory(facts());
    const measured = estimateMemory(facts({ measuredPeakBytes: 4.6 * GB }));
    expect(measured.basis).toBe("measured");
    expect(measured.weightsBytes).toBe(4.5 * GB);
    expect(guessed.requiredBytes - measured.requiredBytes).toBeCloseTo((4.5 * 1.125 - 4.6) * GB, 0);
    expect(measured.cacheBytes).toBe(guessed.cacheBytes);
  });

  it("does not believe a peak below the weights", () => {
    expect(estimateMemory(facts({ measuredPeakBytes: 1 })).modelBytes).toBe(4.5 * GB);
  });

  it("has no smaller form for a context of 2,048 tokens or less", () => {
    const { minimumBytes, requiredBytes } = estimateMemory(facts({ contextTokens: 512 }));
    expect(minimumBytes).toBe(requiredBytes);
  });
});

describe("the largest context that fits", () => {
  const estimate = estimateMemory(facts());

  it("is the configured one where that fits", () => {
    expect(largestContext(estimate, estimate.requiredBytes)).toBe(32_768);
    expect(largestContext(estimateMemory(facts({ contextTokens: 1_000 })), 100 * GB)).toBe(1_000);
  });

  it("is none below 2,048 tokens", () => {
    expect(largestContext(estimate, estimate.minimumBytes)).toBe(2_048);
    expect(largestContext(estimate, estimate.minimumBytes - 1)).toBeNull();
    expect(largestContext(estimate, -1)).toBeNull();
  });

  it("fits, and 256 tokens more would not", () => {
    const footprint = fc
      .record({
        fixed_bytes: fc.nat(1_000_000),
        bytes_per_token: fc.nat(200_000),
        window_tokens: fc.option(fc.integer({ min: 1, max: 10_000 })),
      })
      .map(cache);
    const sizes = fc.tuple(fc.array(footprint, { maxLength: 4 }), fc.integer({ min: 1, max: 200_000 }));
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1, noNaN: true }), ([caches, contextTokens], part) => {
        const some = estimateMemory(facts({ caches, contextTokens }));
        const bytes = Math.floor(some.minimumBytes + part * (some.requiredBytes - some.minimumBytes));
        const tokens = largestContext(some, bytes)!;
        const needed = (context: number) =>
          estimateMemory(facts({ caches, contextTokens: context })).requiredBytes;
        expect(needed(tokens)).toBeLessThanOrEqual(bytes);
        expect(tokens).toBeLessThanOrEqual(contextTokens);
        if (tokens < contextTokens) {
          expect(needed(Math.min(tokens + 256, contextTokens))).toBeGreaterThan(bytes);
        }
      }),
    );
  });
});
