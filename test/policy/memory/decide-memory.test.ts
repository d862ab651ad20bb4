import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideMemory, decideMemoryOrWait } from "../../../supervisor/policy/memory/decide-memory.ts";
import {
  freeMemory,
  heldBytes,
  type MemoryHolder,
  type MemoryRequest,
} from "../../../supervisor/policy/memory/memory-room.ts";
import { GIB, memoryHolder, memoryNeed } from "../../support/memory-needs.ts";

interface AskFields extends Partial<Omit<MemoryRequest, "machine" | "configured">> {
  readonly totalBytes?: number | null;
  readonly availableBytes?: number | null;
  readonly limitBytes?: number | null;
  readonly limit?: number;
  readonly reserve?: number;
  readonly evict?: "never" | "idle";
}

function request(fields: AskFields = {}): MemoryRequest {
  const {
    totalBytes = null,
    availableBytes = null,
    limitBytes = null,
    limit,
    reserve = 0,
    evict = "never",
  } = fields;
  return {
    modelId: "new",
    need: memoryNeed({ modelBytes: 4 * GIB }),
    holders: [],
    ...fields,
    machine: { totalBytes, availableBytes, limitBytes },
    configured: { reserve_bytes: reserve, evict, ...(limit === undefined ? {} : { limit_bytes: limit }) },
  };
}

const ask = (fields: AskFields = {}) => decideMemory(request(fields));
const free = (fields: AskFields) => freeMemory(request(fields)) / GIB;

describe("what is free", () => {
  it("is what the machine has available, less the reserve", () => {
    expect(free({ availableBytes: 10 * GIB, reserve: 2 * GIB })).toBe(8);
  });

  it("is the configured limit rather than the machine's, and that rather than its total", () => {
    expect(free({ totalBytes: 16 * GIB })).toBe(16);
    expect(free({ totalBytes: 16 * GIB, limitBytes: 12 * GIB })).toBe(12);
    expect(free({ totalBytes: 16 * GIB, limitBytes: 12 * GIB, limit: 14 * GIB })).toBe(14);
  });

  it("does not count a loaded model's resident memory twice", () => {
    const holders = [memoryHolder("a", 4 * GIB)];
    expect(free({ availableBytes: 6 * GIB, holders })).toBe(6);
    expect(free({ availableBytes: 6 * GIB, holders, limit: 10 * GIB })).toBe(6);
    expect(free({ availableBytes: 6 * GIB, holders, limit: 9 * GIB })).toBe(5);
  });

  it("leaves a load in flight what it has not yet taken", () => {
    const loading = { state: "reserved" } as const;
    const at = (measuredBytes: number | null) => [memoryHolder("a", 4 * GIB, { ...loading, measuredBytes })];
    expect(free({ availableBytes: 10 * GIB, holders: at(null) })).toBe(6);
    expect(free({ availableBytes: 9 * GIB, holders: at(1 * GIB) })).toBe(6);
    expect(free({ availableBytes: 6 * GIB, holders: at(4 * GIB) })).toBe(6);
  });

  it("leaves a loaded model the caches that were promised to it", () => {
    const holders = [memoryHolder("a", 4 * GIB, { measuredBytes: 3 * GIB })];
    expect(free({ availableBytes: 6 * GIB, holders })).toBe(5);
  });

  it("counts what a model really takes when that is more than it was granted", () => {
    const holders = [memoryHolder("a", 4 * GIB, { measuredBytes: 5 * GIB })];
    expect(free({ limit: 10 * GIB, availableBytes: 50 * GIB, holders })).toBe(5);
  });
});

describe("a model that fits", () => {
  it("is granted one row, and with room to spare a share of it for more rows", () => {
    const need = memoryNeed({ modelBytes: 2 * GIB, bytesPerToken: 2 ** 18, concurrency: 8 });
    expect(need.cacheBytes).toBe(1 * GIB);
    expect(ask({ need, limit: 3 * GIB })).toMatchObject({ grantBytes: 3 * GIB, cacheBudgetBytes: 1 * GIB });
    expect(ask({ need, limit: 11 * GIB })).toMatchObject({ grantBytes: 5 * GIB, cacheBudgetBytes: 3 * GIB });
    expect(ask({ need, limit: 900 * GIB })).toMatchObject({
      grantBytes: 10 * GIB,
      cacheBudgetBytes: 8 * GIB,
    });
  });

  it("is granted one row where nothing is known about the machine", () => {
    const need = memoryNeed({ modelBytes: 2 * GIB, bytesPerToken: 2 ** 18, concurrency: 8 });
    expect(ask({ need })).toEqual({
      verdict: "fit",
      grantBytes: 3 * GIB,
      cacheBudgetBytes: 1 * GIB,
      neededBytes: 3 * GIB,
      freeBytes: null,
    });
  });

  it("gives up what it held before for what it gets now", () => {
    const holders = [memoryHolder("new", 4 * GIB, { state: "reserved", measuredBytes: null })];
    expect(ask({ holders, limit: 4 * GIB, availableBytes: 4 * GIB }).verdict).toBe("fit");
  });

  it("has no idle model unloaded for it", () => {
    expect(ask({ holders: [memoryHolder("a", GIB)], limit: 5 * GIB, evict: "idle" }).verdict).toBe("fit");
  });
});

describe("memory on its way back", () => {
  const holders = [
    memoryHolder("stale", 2 * GIB, { lastUsedMs: 10 }),
    memoryHolder("older", 2 * GIB, { lastUsedMs: 20 }),
  ];
  const verdict = (returning: number, fields: AskFields) =>
    decideMemoryOrWait(request({ holders, ...fields }), returning * GIB).verdict;

  it.each([
    ["would be enough", 4, { availableBytes: 0 }, "wait"],
    ["would spare one of those that are to leave", 2, { availableBytes: 0, evict: "idle" }, "wait"],
    ["would make leaving worth it", 1, { availableBytes: -GIB, evict: "idle" }, "wait"],
    ["changes nothing for who is to leave", 1, { availableBytes: 0, evict: "idle" }, "evict"],
    ["is too little", 3, { availableBytes: 0 }, "refuse"],
    ["is not needed", 4, { availableBytes: 4 * GIB }, "fit"],
    ["is none", 0, { availableBytes: 0 }, "refuse"],
    ["does not raise the limit that stands in the way", 4, { availableBytes: 0, limit: 7 * GIB }, "refuse"],
  ] as const)("that %s", (_, returning, fields, expected) => {
    expect(verdict(returning, fields)).toBe(expected);
  });
});

describe("making room", () => {
  const full = { limit: 8 * GIB, evict: "idle" } as const;

  it("unloads the least recently used first, and no more than needed", () => {
    const holders = [
      memoryHolder("fresh", 4 * GIB, { lastUsedMs: 30 }),
      memoryHolder("stale", 2 * GIB, { lastUsedMs: 10 }),
      memoryHolder("older", 2 * GIB, { lastUsedMs: 20 }),
    ];
    expect(ask({ ...full, holders })).toMatchObject({ verdict: "evict", evict: ["stale", "older"] });
  });

  it("spares a small one when a large one that must go gives enough", () => {
    const holders = [
      memoryHolder("small", 1 * GIB, { lastUsedMs: 1 }),
      memoryHolder("large", 7 * GIB, { lastUsedMs: 2 }),
    ];
    expect(ask({ ...full, holders })).toMatchObject({ verdict: "evict", evict: ["large"] });
  });

  it.each<[string, Partial<MemoryHolder>]>([
    ["busy", { isBusy: true }],
    ["pinned", { isPinned: true }],
    ["loading", { state: "reserved" }],
  ])("never unloads one that is %s", (_, fields) => {
    const holders = [memoryHolder("a", 6 * GIB, fields)];
    expect(ask({ ...full, holders }).verdict).toBe("refuse");
  });

  it("unloads nothing unless the configuration says so", () => {
    const decision = ask({ limit: 8 * GIB, holders: [memoryHolder("a", 6 * GIB)] });
    expect(decision).toMatchObject({ verdict: "refuse", couldUnload: ["a"] });
  });

  it("unloads nothing when it would not suffice", () => {
    const holders = [memoryHolder("a", 1 * GIB), memoryHolder("b", 6 * GIB, { isBusy: true })];
    expect(ask({ ...full, holders })).toMatchObject({ verdict: "refuse", couldUnload: ["b"] });
  });
});

describe("a refusal", () => {
  it("says what is needed, what is free, who has the rest and what to unload", () => {
    const holders = [
      memoryHolder("org/llama", 4 * GIB),
      memoryHolder("qwen", 3 * GIB, { isBusy: true }),
      memoryHolder("kimi", 0.5 * GIB, { state: "reserved", measuredBytes: null }),
    ];
    const need = memoryNeed({ modelBytes: 3 * GIB, bytesPerToken: 2 ** 18 });
    expect(ask({ need, holders, limit: 8 * GIB })).toMatchObject({
      neededBytes: 4 * GIB,
      freeBytes: 0.5 * GIB,
      couldUnload: ["org/llama"],
      contextThatFits: null,
      message:
        "needs 4.0 GiB (2.8 GiB model, 1.0 GiB caches for one row of 4096 tokens, 190.0 MiB to work in), " +
        "512.0 MiB are free of 8.0 GiB for models; " +
        "org/llama holds 4.0 GiB (idle; unload it with: lmx unload org/llama); qwen holds 3.0 GiB (busy); " +
        "kimi holds 512.0 MiB (loading)",
      nextStep: "unload org/llama",
    });
  });

  it("names the context that would fit when only the context is too large", () => {
    const need = memoryNeed({ modelBytes: 2 * GIB, bytesPerToken: 2 ** 18, contextTokens: 131_072 });
    const refused = ask({ need, limit: 4 * GIB });
    expect(refused).toMatchObject({
      verdict: "refuse",
      contextThatFits: 8_192,
      nextStep: "set models.new.context_tokens to 8192",
    });
    const smaller = memoryNeed({ modelBytes: 2 * GIB, bytesPerToken: 2 ** 18, contextTokens: 8_192 });
    expect(ask({ need: smaller, limit: 4 * GIB }).verdict).toBe("fit");
  });

  it("counts on idle models to leave for a smaller context only where they would", () => {
    const need = memoryNeed({ modelBytes: 2 * GIB, bytesPerToken: 2 ** 18, contextTokens: 131_072 });
    const fields = { need, limit: 4 * GIB, holders: [memoryHolder("a", 3 * GIB)] };
    expect(ask({ ...fields, evict: "idle" })).toMatchObject({ contextThatFits: 8_192 });
    expect(ask({ ...fields, evict: "never" })).toMatchObject({ contextThatFits: null });
  });

  it("says what the machine has left when that is what lacks", () => {
    const refused = ask({ totalBytes: 16 * GIB, availableBytes: 3 * GIB, reserve: GIB });
    expect(refused).toMatchObject({
      message: expect.stringContaining(
        "2.0 GiB are free: the machine has 3.0 GiB available, of which 1.0 GiB stay free",
      ),
      nextStep: expect.stringContaining("close other programs"),
    });
  });

  it.each<[AskFields, string]>([
    [{ limit: 2 * GIB }, "raise memory.limit_bytes"],
    [{ limitBytes: 2 * GIB }, "take a smaller"],
    [{ limit: 5 * GIB, holders: [memoryHolder("a", 3 * GIB, { state: "reserved" })] }, "wait for the load"],
    [{ limit: 5 * GIB, holders: [memoryHolder("a", 3 * GIB, { isPinned: true })] }, "unload a"],
  ])("of %j leads on", (fields, step) => {
    expect(ask(fields)).toMatchObject({ verdict: "refuse", nextStep: expect.stringContaining(step) });
  });
});

describe("every decision", () => {
  const MIB = 1024 ** 2;
  const anyHolders = fc
    .array(
      fc.record({
        bytes: fc.integer({ min: 1, max: 4_000 }).map((n) => n * MIB),
        resident: fc.option(fc.double({ min: 0, max: 1.2, noNaN: true })),
        state: fc.constantFrom("reserved" as const, "loaded" as const),
        isBusy: fc.boolean(),
        isPinned: fc.boolean(),
        lastUsedMs: fc.nat(50),
      }),
      { maxLength: 6 },
    )
    .map((rows) =>
      rows.map(({ bytes, resident, ...use }, index) => {
        const measuredBytes = resident === null ? null : Math.floor(resident * bytes);
        return memoryHolder(`m${index}`, bytes, { ...use, measuredBytes });
      }),
    );
  const anyNeed = fc
    .record({
      modelBytes: fc.integer({ min: 200, max: 6_000 }).map((n) => n * MIB),
      bytesPerToken: fc.nat(1_000_000),
      contextTokens: fc.integer({ min: 1, max: 20_000 }),
      concurrency: fc.integer({ min: 1, max: 64 }),
    })
    .map(memoryNeed);
  const anyBytes = fc.integer({ min: 0, max: 20_000 }).map((n) => n * MIB);
  const anyAsk = fc.record({
    holders: anyHolders,
    need: anyNeed,
    limit: anyBytes.map((bytes) => bytes + 1),
    availableBytes: fc.option(anyBytes),
    reserve: fc.integer({ min: 0, max: 2_000 }).map((n) => n * MIB),
    evict: fc.constantFrom("never" as const, "idle" as const),
  });

  it("to grant stays within what is free, and gives at least one row and at most all", () => {
    fc.assert(
      fc.property(anyAsk, (fields) => {
        const decision = ask(fields);
        if (decision.verdict !== "fit") return;
        expect(decision.grantBytes).toBeLessThanOrEqual(freeMemory(request(fields)));
        expect(decision.cacheBudgetBytes).toBeGreaterThanOrEqual(fields.need.cacheBytes);
        expect(decision.cacheBudgetBytes).toBeLessThanOrEqual(fields.need.fullCacheBytes);
        expect(decision.grantBytes - decision.cacheBudgetBytes).toBe(
          fields.need.requiredBytes - fields.need.cacheBytes,
        );
      }),
    );
  });

  it("to evict takes idle, unpinned, loaded models, enough of them and none in vain", () => {
    fc.assert(
      fc.property(anyAsk, (fields) => {
        const decision = ask(fields);
        if (decision.verdict !== "evict") return;
        const gone = decision.evict.map((id) => fields.holders.find(({ modelId }) => modelId === id)!);
        for (const holder of gone) {
          expect(holder).toMatchObject({ state: "loaded", isBusy: false, isPinned: false });
        }
        const missing = fields.need.requiredBytes - freeMemory(request(fields));
        const gained = gone.reduce((sum, holder) => sum + heldBytes(holder), 0);
        expect(gained).toBeGreaterThanOrEqual(missing);
        for (const holder of gone) expect(gained - heldBytes(holder)).toBeLessThan(missing);
      }),
    );
  });

  it("to evict is followed by a fit once those models are gone", () => {
    fc.assert(
      fc.property(anyAsk, (fields) => {
        const decision = ask(fields);
        if (decision.verdict !== "evict") return;
        const gone = fields.holders.filter(({ modelId }) => decision.evict.includes(modelId));
        const freed = gone.reduce((sum, { measuredBytes }) => sum + (measuredBytes ?? 0), 0);
        const availableBytes = fields.availableBytes === null ? null : fields.availableBytes + freed;
        const holders = fields.holders.filter((holder) => !gone.includes(holder));
        expect(ask({ ...fields, holders, availableBytes }).verdict).toBe("fit");
      }),
    );
  });

  it("to refuse is made only when all that may leave would not be enough", () => {
    fc.assert(
      fc.property(anyAsk, (fields) => {
        const decision = ask(fields);
        if (decision.verdict !== "refuse") return;
        const leaving = fields.holders.filter(
          ({ state, isBusy, isPinned }) =>
            fields.evict === "idle" && state === "loaded" && !isBusy && !isPinned,
        );
        const freed = leaving.reduce((sum, holder) => sum + heldBytes(holder), 0);
        expect(freeMemory(request(fields)) + freed).toBeLessThan(fields.need.requiredBytes);
      }),
    );
  });

  it("is no worse with more memory", () => {
    const rank = { refuse: 0, evict: 1, fit: 2 };
    fc.assert(
      fc.property(anyAsk, anyBytes, (fields, more) => {
        const richer = {
          ...fields,
          limit: fields.limit + more,
          availableBytes: fields.availableBytes === null ? null : fields.availableBytes + more,
        };
        const [poor, rich] = [ask(fields), ask(richer)];
        expect(rank[rich.verdict]).toBeGreaterThanOrEqual(rank[poor.verdict]);
        if (poor.verdict === "fit" && rich.verdict === "fit") {
          expect(rich.grantBytes).toBeGreaterThanOrEqual(poor.grantBytes);
        }
      }),
    );
  });
});
