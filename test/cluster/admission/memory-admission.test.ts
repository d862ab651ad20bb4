import { describe, expect, it } from "vitest";
import { modelSettingsSchema } from "../../../shared/config.ts";
import {
  MemoryAdmission,
  type MemoryQuestion,
} from "../../../supervisor/cluster/admission/memory-admission.ts";
import { type HolderUse, MemoryLedger } from "../../../supervisor/cluster/admission/memory-ledger.ts";
import { longestReturnMs } from "../../../supervisor/cluster/admission/memory-return.ts";
import { estimateMemory } from "../../../supervisor/policy/memory/memory-estimate.ts";
import { settled } from "../../support/fake-worker.ts";
import { GIB } from "../../support/memory-needs.ts";

const never = new AbortController().signal;
const IDLE: HolderUse = { state: "loaded", isBusy: false, isPinned: false, lastUsedMs: 0 };

const question = (changes: Partial<MemoryQuestion> = {}): MemoryQuestion => ({
  modelId: "b",
  structure: { context_tokens: 1_024, parameters: 1, weights_bytes: 4 * GIB, caches: [], prefill_bytes: 0 },
  settings: modelSettingsSchema.parse({}),
  measuredPeakBytes: null,
  dryRun: false,
  signal: never,
  ...changes,
});

/** A desk before a machine of so many bytes on which nothing is resident. */
function desk(
  totalBytes: number | null,
  { evict = "never" as "never" | "idle", longestReturnMs = 60_000, now = (): number => 0 } = {},
) {
  const uses = new Map<string, HolderUse>();
  const asked: string[][] = [];
  const room = { make: async (ids: readonly string[]) => ids.forEach(leave) };
  /** Bytes in workers, and in those that are gone for as many readings as `late`. */
  const taken = { byWorkers: 0, byTheGone: 0, late: 0, readings: 0 };
  const ledger = new MemoryLedger({
    readMachine: async () => {
      taken.readings += 1;
      if (taken.byTheGone > 0 && taken.late-- <= 0) taken.byTheGone = 0;
      const availableBytes = totalBytes === null ? null : totalBytes - taken.byWorkers - taken.byTheGone;
      return { totalBytes, availableBytes, limitBytes: null, source: "a test" };
    },
    config: () => ({ reserve_bytes: 0, evict }),
    use: (modelId) => uses.get(modelId) ?? null,
    longestReturnMs,
    now,
  });
  const sizes = new Map<string, number>();
  function settle(id: string, bytes: number): void {
    sizes.set(id, bytes);
    taken.byWorkers += bytes;
    ledger.setMeasured(id, bytes);
  }
  function leave(id: string): void {
    const bytes = sizes.get(id) ?? 0;
    sizes.delete(id);
    taken.byWorkers -= bytes;
    taken.byTheGone += bytes;
    uses.delete(id);
    ledger.release(id);
  }
  const counter = new MemoryAdmission({
    ledger,
    makeRoom: async (ids) => {
      asked.push([...ids]);
      await room.make(ids);
    },
  });
  const holders = async () => (await ledger.snapshot()).holders.map(({ modelId }) => modelId);
  const seat = async (modelId: string) => {
    await counter.ask(question({ modelId }));
    uses.set(modelId, IDLE);
  };
  return { counter, ledger, asked, room, uses, holders, seat, settle, leave, taken };
}

describe("asking for memory", () => {
  it("sets it aside where it fits, and says what was needed and free", async () => {
    const { counter, holders } = desk(10 * GIB);
    const answer = await counter.ask(question());
    expect(answer.check).toMatchObject({ name: "memory", status: "pass" });
    expect(answer.check.detail).toMatch(/needs .*GiB.* are free/);
    expect(answer.memory).toMatchObject({ weights_bytes: 4 * GIB, available_bytes: 10 * GIB });
    expect(answer.memory.required_bytes).toBeGreaterThan(4 * GIB);
    expect(answer.cacheBudgetBytes).not.toBeNull();
    expect(await holders()).toEqual(["b"]);
    counter.release("b");
    expect(await holders()).toEqual([]);
  });

  it("is refused where it does not fit, with a next step, and nothing is set aside", async () => {
    const { counter, holders } = desk(3 * GIB);
    const answer = await counter.ask(question());
    expect(answer.check.status).toBe("fail");
    expect(answer.check.next_step).not.toBeNull();
    expect(answer.cacheBudgetBytes).toBeNull();
    expect(await holders()).toEqual([]);
  });

  it("passes where nothing is known of the machine, and says so", async () => {
    const { counter } = desk(null);
    const answer = await counter.ask(question());
    expect(answer.check).toMatchObject({ status: "pass", detail: expect.stringContaining("not known") });
    expect(answer.memory.available_bytes).toBeNull();
  });

  it("only looks in a dry run", async () => {
    const { counter, holders } = desk(10 * GIB);
    expect((await counter.ask(question({ dryRun: true }))).check.status).toBe("pass");
    expect(await holders()).toEqual([]);
  });

  it("asks for the context the operator set, not for more than the model has", async () => {
    const cache = { kind: "kv", layers: 1, bytes_per_token: 1_000, fixed_bytes: 0, window_tokens: null };
    const structure = { ...question().structure, context_tokens: 4_096, caches: [cache as never] };
    const ask = async (context_tokens: number | undefined) => {
      const settings = modelSettingsSchema.parse(context_tokens === undefined ? {} : { context_tokens });
      return (await desk(10 * GIB).counter.ask(question({ structure, settings }))).memory.required_bytes ?? 0;
    };
    const [whole, half, more] = [await ask(undefined), await ask(2_048), await ask(8_192)];
    expect(whole - half).toBe(2_048 * 1_000);
    expect(more).toBe(whole);
  });

  it("goes by what an earlier load of the model took", async () => {
    const answer = await desk(10 * GIB).counter.ask(question({ measuredPeakBytes: 7 * GIB }));
    expect(answer.memory.required_bytes).toBeGreaterThan(7 * GIB);
    expect(answer.check.detail).toContain("measured");
  });
});

describe("making room", () => {
  it("unloads who is idle, waits for that, and takes the place", async () => {
    const { counter, asked, seat, holders } = desk(6 * GIB, { evict: "idle" });
    await seat("a");
    const answer = await counter.ask(question());
    expect(asked).toEqual([["a"]]);
    expect(answer.check.status).toBe("pass");
    expect(answer.cacheBudgetBytes).not.toBeNull();
    expect(await holders()).toEqual(["b"]);
  });

  it("is only named in a dry run", async () => {
    const { counter, asked, seat, holders } = desk(6 * GIB, { evict: "idle" });
    await seat("a");
    const answer = await counter.ask(question({ dryRun: true }));
    expect(answer.check).toMatchObject({ status: "pass", detail: expect.stringContaining("unloading a") });
    expect(asked).toEqual([]);
    expect(await holders()).toEqual(["a"]);
  });

  it("is given up after three rounds in which nobody left, and that is a refusal that may be tried again", async () => {
    const { counter, asked, seat, room, holders } = desk(6 * GIB, { evict: "idle" });
    await seat("a");
    room.make = async () => {};
    const answer = await counter.ask(question());
    expect(asked).toEqual([["a"], ["a"], ["a"]]);
    expect(answer.check).toMatchObject({ status: "fail", next_step: expect.stringContaining("try again") });
    expect(answer.check.detail).toContain("a would have to leave");
    expect(answer.cacheBudgetBytes).toBeNull();
    expect(await holders()).toEqual(["a"]);
  });

  it("asks again whom it has to unload, because somebody may have become busy", async () => {
    const { counter, asked, seat, room, uses } = desk(6 * GIB, { evict: "idle" });
    await seat("a");
    room.make = async () => void uses.set("a", { ...IDLE, isBusy: true });
    expect((await counter.ask(question())).check.status).toBe("fail");
    expect(asked).toEqual([["a"]]);
  });

  it("throws the signal's reason when the load is called off meanwhile, and holds nothing", async () => {
    const { counter, seat, room, holders, ledger } = desk(6 * GIB, { evict: "idle" });
    await seat("a");
    const abort = new AbortController();
    room.make = async () => {
      ledger.release("a");
      abort.abort(new Error("called off"));
    };
    await expect(counter.ask(question({ signal: abort.signal }))).rejects.toThrow("called off");
    expect(await holders()).toEqual([]);
  });

  it("asks for the same memory as the estimate says", async () => {
    const { structure, settings } = question();
    const need = estimateMemory({
      weightsBytes: structure.weights_bytes,
      caches: [],
      prefillBytes: 0,
      contextTokens: 1_024,
      concurrency: settings.max_concurrency,
      measuredPeakBytes: null,
    });
    const { counter } = desk(need.requiredBytes);
    expect((await counter.ask(question())).check.status).toBe("pass");
    const { counter: small } = desk(need.requiredBytes - 1);
    expect((await small.ask(question())).check.status).toBe("fail");
  });
});

describe("memory of a worker that is gone, and that the machine has not got back", () => {
  const small = (modelId: string) => ({ ...question({ modelId }).structure, weights_bytes: 1 * GIB });

  it("is waited for before more models are unloaded", async () => {
    const { counter, asked, uses, settle, taken } = desk(7 * GIB, { evict: "idle" });
    await counter.ask(question({ modelId: "a" }));
    settle("a", 4.5 * GIB);
    uses.set("a", IDLE);
    await counter.ask(question({ modelId: "c", structure: small("c") }));
    settle("c", 1 * GIB);
    uses.set("c", { ...IDLE, lastUsedMs: 1 });
    taken.late = 2;
    expect((await counter.ask(question())).check.status).toBe("pass");
    expect(asked).toEqual([["a"]]);
    expect(uses.has("c")).toBe(true);
  });

  it("is waited for before a load is refused, as when a model is unloaded and loaded again", async () => {
    const { counter, settle, leave, taken } = desk(6 * GIB);
    await counter.ask(question({ modelId: "a" }));
    settle("a", 4.5 * GIB);
    taken.late = 2;
    leave("a");
    expect((await counter.ask(question({ modelId: "a" }))).check.status).toBe("pass");
  });

  it("is not waited for where it would not help, nor by who only looks", async () => {
    const { counter, settle, leave, taken } = desk(6 * GIB);
    await counter.ask(question({ modelId: "a" }));
    settle("a", 4.5 * GIB);
    taken.late = 100;
    leave("a");
    taken.readings = 0;
    expect((await counter.ask(question({ dryRun: true }))).check.status).toBe("fail");
    const large = { ...question().structure, weights_bytes: 9 * GIB };
    expect((await counter.ask(question({ structure: large }))).check.status).toBe("fail");
    expect((await counter.ask(question({ structure: small("b") }))).check.status).toBe("pass");
    expect(taken.readings).toBe(3);
  });

  it("is not waited for where it is back before the end is seen", async () => {
    const { counter, settle, leave, taken } = desk(6 * GIB, { longestReturnMs: 0 });
    await counter.ask(question({ modelId: "a" }));
    settle("a", 4.5 * GIB);
    taken.late = 100;
    leave("a");
    taken.readings = 0;
    expect((await counter.ask(question())).check.status).toBe("fail");
    expect(taken.readings).toBe(1);
    expect([longestReturnMs("linux"), longestReturnMs("darwin")]).toEqual([0, 60_000]);
  });

  it("is not waited for any longer when the load is called off, or when it does not come", async () => {
    let now = 0;
    const { counter, settle, leave, taken, holders } = desk(6 * GIB, { now: () => now });
    await counter.ask(question({ modelId: "a" }));
    settle("a", 4.5 * GIB);
    taken.late = 100;
    leave("a");
    const abort = new AbortController();
    const fate = counter.ask(question({ signal: abort.signal })).catch((error: Error) => error.message);
    const late = () => settled().then(() => "still waits");
    expect(await Promise.race([fate, late()])).toBe("still waits");
    abort.abort(new Error("called off"));
    expect(await Promise.race([fate, late()])).toBe("called off");
    now = 60_000;
    expect((await counter.ask(question())).check.status).toBe("fail");
    expect(await holders()).toEqual([]);
  });
});
