import { describe, expect, it } from "vitest";
import { describeFreeMemory, limitSource } from "../../../supervisor/policy/memory/describe-free-memory.ts";
import type { MemorySituation } from "../../../supervisor/policy/memory/memory-room.ts";
import { GIB } from "../../support/memory-needs.ts";

const holder = (bytes: number, measuredBytes: number | null) => ({
  modelId: "m",
  bytes,
  measuredBytes,
  state: "loaded" as const,
  isBusy: false,
  isPinned: false,
  lastUsedMs: 0,
});

function situation(changes: Partial<MemorySituation["machine"]>, limitBytes?: number): MemorySituation {
  return {
    machine: { totalBytes: 100 * GIB, availableBytes: 20 * GIB, limitBytes: null, ...changes },
    configured: {
      reserve_bytes: GIB,
      evict: "never",
      ...(limitBytes === undefined ? {} : { limit_bytes: limitBytes }),
    },
    holders: [holder(10 * GIB, 4 * GIB)],
  };
}

describe("how free memory comes about", () => {
  it("is told by what the machine has left where that is less", () => {
    expect(describeFreeMemory(situation({}))).toBe(
      "20.0 GiB available on the machine, less a reserve of 1.0 GiB, less 6.0 GiB promised to models and not yet taken",
    );
  });

  it("is told by the limit where that is less", () => {
    expect(describeFreeMemory(situation({}, 12 * GIB))).toBe(
      "the limit of 12.0 GiB less 10.0 GiB held by models",
    );
    expect(describeFreeMemory(situation({ availableBytes: null }))).toContain("the limit of 100.0 GiB");
  });

  it("is not made up where nothing is known", () => {
    expect(describeFreeMemory(situation({ totalBytes: null, availableBytes: null }))).toContain(
      "nothing is known",
    );
  });
});

it("says whose limit applies", () => {
  expect([
    limitSource(situation({ limitBytes: 5 }, 6)),
    limitSource(situation({ limitBytes: 5 })),
    limitSource(situation({})),
    limitSource(situation({ totalBytes: null })),
  ]).toEqual(["configuration", "machine_limit", "machine_total", null]);
});
