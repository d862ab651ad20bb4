import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HolderUse, MemoryLedger } from "../../../supervisor/cluster/admission/memory-ledger.ts";
import type { MachineMemory } from "../../../supervisor/host/memory-facts.ts";
import { GIB, memoryNeed } from "../../support/memory-needs.ts";

/** A machine whose memory falls as models become resident. */
class FakeMachine {
  readonly uses = new Map<string, HolderUse>();
  readonly resident = new Map<string, number>();
  readonly ledger: MemoryLedger;
  limitBytes: number | null = null;
  evict: "never" | "idle" = "never";
  readonly totalBytes: number;
  now = 0;
  /** Of workers that are gone, and not available yet. */
  comingBackBytes = 0;
  /** What happens while the machine is being read, after its numbers were taken. */
  duringReading: () => void = () => {};

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes;
    this.ledger = new MemoryLedger({
      readMachine: async () => {
        const memory = this.read();
        await Promise.resolve();
        this.duringReading();
        return memory;
      },
      config: () => ({ reserve_bytes: 0, evict: this.evict }),
      use: (modelId) => this.uses.get(modelId) ?? null,
      longestReturnMs: 60_000,
      now: () => this.now,
    });
  }

  read(): MachineMemory {
    const used = [...this.resident.values()].reduce((sum, bytes) => sum + bytes, 0);
    return {
      totalBytes: this.totalBytes,
      availableBytes: this.totalBytes - used - this.comingBackBytes,
      limitBytes: this.limitBytes,
      source: "a test",
    };
  }

  settle(modelId: string, bytes: number, use: Partial<HolderUse> = {}): void {
    this.resident.set(modelId, bytes);
    this.uses.set(modelId, { state: "loaded", isBusy: false, isPinned: false, lastUsedMs: 0, ...use });
    this.ledger.setMeasured(modelId, bytes);
  }

  leave(modelId: string): void {
    this.resident.delete(modelId);
    this.uses.delete(modelId);
    this.ledger.release(modelId);
  }
}

const need = memoryNeed({ modelBytes: 6 * GIB });

/** A machine of 10 GiB whose one model has left and not given back what it had resident. */
async function whenOneHasLeft(residentBytes: number): Promise<FakeMachine> {
  const machine = new FakeMachine(10 * GIB);
  await machine.ledger.reserve("a", need);
  machine.settle("a", residentBytes);
  machine.leave("a");
  machine.comingBackBytes = residentBytes;
  return machine;
}

describe("the memory ledger", () => {
  it("never promises the same bytes to two loads that ask at once", async () => {
    const { ledger } = new FakeMachine(10 * GIB);
    const decisions = await Promise.all([ledger.reserve("a", need), ledger.reserve("b", need)]);
    expect(decisions.map(({ verdict }) => verdict)).toEqual(["fit", "refuse"]);
    expect(decisions[1]).toMatchObject({
      freeBytes: 4 * GIB,
      holders: [{ modelId: "a", state: "reserved" }],
    });
  });

  it("lets both load where there is room for both", async () => {
    const machine = new FakeMachine(12 * GIB);
    expect((await machine.ledger.reserve("a", need)).verdict).toBe("fit");
    machine.settle("a", 3 * GIB, { state: "reserved" });
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("fit");
  });

  it("gives a released model's memory to the next", async () => {
    const machine = new FakeMachine(10 * GIB);
    await machine.ledger.reserve("a", need);
    machine.settle("a", 6 * GIB);
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("refuse");
    machine.leave("a");
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("fit");
  });

  it("names whom to unload, holds nothing yet, and fits once they are gone", async () => {
    const machine = new FakeMachine(10 * GIB);
    machine.evict = "idle";
    await machine.ledger.reserve("a", need);
    machine.settle("a", 6 * GIB);
    expect(await machine.ledger.reserve("b", need)).toMatchObject({ verdict: "evict", evict: ["a"] });
    expect((await machine.ledger.snapshot()).holders.map(({ modelId }) => modelId)).toEqual(["a"]);
    machine.leave("a");
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("fit");
  });

  it("considers a model as it would decide, and holds nothing", async () => {
    const { ledger } = new FakeMachine(10 * GIB);
    expect(await ledger.consider("a", need)).toMatchObject({ verdict: "fit", grantBytes: 6 * GIB });
    expect((await ledger.snapshot()).holders).toEqual([]);
    await ledger.reserve("a", need);
    expect((await ledger.consider("b", need)).verdict).toBe("refuse");
  });

  it("takes a holder the cluster knows nothing of to be loading, and keeps it", async () => {
    const machine = new FakeMachine(10 * GIB);
    machine.evict = "idle";
    await machine.ledger.reserve("a", need);
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("refuse");
  });

  it("looks at the models again after the machine was read", async () => {
    const machine = new FakeMachine(10 * GIB);
    machine.evict = "idle";
    await machine.ledger.reserve("a", need);
    machine.settle("a", 6 * GIB);
    machine.duringReading = () => machine.settle("a", 6 * GIB, { isBusy: true });
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("refuse");
  });

  it.each([
    ["that became resident", null, 6],
    ["more of which became resident", 2, 6],
    ["that was given back", 6, null],
  ])("does not count memory as free %s while the machine was read", async (_, before, after) => {
    const machine = new FakeMachine(20 * GIB);
    machine.resident.set("other programs", 10 * GIB);
    await machine.ledger.reserve("a", need);
    if (before !== null) machine.settle("a", before * GIB);
    machine.duringReading = () => machine.ledger.setMeasured("a", after === null ? null : after * GIB);
    const decision = await machine.ledger.reserve("b", need);
    expect(decision.verdict).toBe("refuse");
    expect(decision.freeBytes).toBeLessThanOrEqual(4 * GIB);
  });

  it("keeps a dead worker's promise whole for its successor", async () => {
    const machine = new FakeMachine(10 * GIB);
    await machine.ledger.reserve("a", need);
    machine.settle("a", 6 * GIB);
    machine.resident.delete("a");
    machine.ledger.setMeasured("a", null);
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("refuse");
    expect((await machine.ledger.reserve("a", need)).verdict).toBe("fit");
  });

  it("holds nothing for a load that was called off while it waited", async () => {
    const machine = new FakeMachine(10 * GIB);
    const abort = new AbortController();
    machine.duringReading = () => abort.abort(new Error("called off"));
    await expect(machine.ledger.reserve("a", need, abort.signal)).rejects.toThrow("called off");
    machine.duringReading = () => {};
    expect((await machine.ledger.snapshot()).holders).toEqual([]);
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("fit");
  });

  it("puts a refusal off while a dead worker's memory is on its way, and no longer than it can be", async () => {
    const machine = await whenOneHasLeft(5 * GIB);
    expect(await machine.ledger.reserve("b", need)).toMatchObject({ verdict: "wait", freeBytes: 5 * GIB });
    expect((await machine.ledger.snapshot()).holders).toEqual([]);
    machine.now = 59_999;
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("wait");
    machine.now = 60_000;
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("refuse");
  });

  it("does not take what others use for memory on its way: not before anybody left, and not once it was back", async () => {
    const machine = new FakeMachine(10 * GIB);
    await machine.ledger.reserve("a", need);
    machine.settle("a", 6 * GIB);
    machine.resident.set("other programs", 3 * GIB);
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("refuse");
    machine.leave("a");
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("fit");
    machine.resident.set("other programs", 9 * GIB);
    expect((await machine.ledger.reserve("c", memoryNeed({ modelBytes: 2 * GIB }))).verdict).toBe("refuse");
  });

  it("counts less of it as more of it is back, and none for a load that is not served by it", async () => {
    const machine = await whenOneHasLeft(6 * GIB);
    expect((await machine.ledger.reserve("b", need)).verdict).toBe("wait");
    expect((await machine.ledger.reserve("b", memoryNeed({ modelBytes: 11 * GIB }))).verdict).toBe("refuse");
    machine.comingBackBytes = 2 * GIB;
    expect((await machine.ledger.reserve("b", memoryNeed({ modelBytes: 9 * GIB }))).verdict).toBe("wait");
    // A load that nobody has measured yet takes what came back; that has not gone a second time.
    machine.resident.set("a load", 6 * GIB);
    expect((await machine.ledger.reserve("b", memoryNeed({ modelBytes: 5 * GIB }))).verdict).toBe("refuse");
  });

  it("knows of the memory of a worker that died and comes back, and of one that died before it was measured", async () => {
    const machine = new FakeMachine(10 * GIB);
    await machine.ledger.reserve("a", need);
    machine.comingBackBytes = 5 * GIB;
    machine.leave("a");
    expect((await machine.ledger.reserve("a", need)).verdict).toBe("wait");
    machine.comingBackBytes = 0;
    expect((await machine.ledger.reserve("a", need)).verdict).toBe("fit");
    machine.settle("a", 6 * GIB);
    machine.comingBackBytes = 6 * GIB;
    machine.resident.delete("a");
    machine.ledger.setMeasured("a", null);
    const small = memoryNeed({ modelBytes: 3 * GIB });
    expect((await machine.ledger.reserve("b", small)).verdict).toBe("wait");
    expect((await machine.ledger.consider("b", small)).verdict).toBe("refuse");
  });

  it("measures only what holds memory", async () => {
    const { ledger } = new FakeMachine(10 * GIB);
    ledger.setMeasured("nobody", GIB);
    expect((await ledger.snapshot()).holders).toEqual([]);
  });

  it("believes a worker that says what it has up to what it was promised", async () => {
    const machine = new FakeMachine(10 * GIB);
    await machine.ledger.reserve("a", need);
    const before = await machine.ledger.snapshot();
    machine.ledger.setReported("a", 9e15);
    const after = await machine.ledger.snapshot();
    expect(after.heldBytes).toBe(before.heldBytes);
    expect(after.freeBytes).toBeGreaterThan(0);
    machine.ledger.setReported("a", GIB);
    expect((await machine.ledger.snapshot()).holders[0]?.measuredBytes).toBe(GIB);
  });

  it("shows limit, reserve, what is held and what is free", async () => {
    const machine = new FakeMachine(10 * GIB);
    machine.limitBytes = 9 * GIB;
    await machine.ledger.reserve("a", need);
    machine.settle("a", 5 * GIB, { lastUsedMs: 7 });
    expect(await machine.ledger.snapshot()).toEqual({
      machine: machine.read(),
      limitBytes: 9 * GIB,
      reserveBytes: 0,
      heldBytes: 6 * GIB,
      freeBytes: 3 * GIB,
      holders: [
        {
          modelId: "a",
          bytes: 6 * GIB,
          measuredBytes: 5 * GIB,
          state: "loaded",
          isBusy: false,
          isPinned: false,
          lastUsedMs: 7,
        },
      ],
    });
  });

  it("keeps all promises within the machine, whatever comes and goes", async () => {
    const ids = ["a", "b", "c", "d", "e"];
    const step = fc.record({
      modelId: fc.constantFrom(...ids),
      kind: fc.constantFrom("load", "load", "settle", "leave"),
      gibibytes: fc.integer({ min: 1, max: 9 }),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const machine = new FakeMachine(20 * GIB);
        for (const { modelId, kind, gibibytes, part } of steps) {
          const { holders } = await machine.ledger.snapshot();
          const holder = holders.find((one) => one.modelId === modelId);
          if (kind === "leave") machine.leave(modelId);
          if (kind === "settle" && holder !== undefined)
            machine.settle(modelId, Math.floor(part * holder.bytes));
          if (kind === "load" && holder === undefined) {
            const wish = memoryNeed({ modelBytes: gibibytes * GIB, bytesPerToken: 2 ** 16, concurrency: 16 });
            const other = ids[(ids.indexOf(modelId) + 1) % ids.length]!;
            const isOtherFree = holders.every((one) => one.modelId !== other);
            await Promise.all([
              machine.ledger.reserve(modelId, wish),
              ...(isOtherFree ? [machine.ledger.reserve(other, wish)] : []),
            ]);
          }
          const promised = (await machine.ledger.snapshot()).holders.reduce(
            (sum, { bytes }) => sum + bytes,
            0,
          );
          expect(promised).toBeLessThanOrEqual(20 * GIB);
        }
      }),
      { numRuns: 60 },
    );
  });
});
