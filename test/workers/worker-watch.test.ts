import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { timeoutsSchema } from "../../shared/config.ts";
import { residentBytes } from "../../supervisor/host/process-memory.ts";
import type { Failure } from "../../supervisor/policy/lifecycle/model-state.ts";
import type { Violation } from "../../supervisor/rpc/peer.ts";
import { WorkerWatch } from "../../supervisor/workers/worker-watch.ts";
import { FakeWorker, REQUEST } from "../support/fake-worker.ts";

const MIB = 1024 ** 2;

function watching({ pid = 1, capBytes = null as number | null } = {}) {
  const worker = new FakeWorker(pid, ["ping"]);
  const seen = {
    pongs: 0,
    memory: [] as [number, string][],
    failures: [] as { failure: Failure; hung: boolean }[],
  };
  /** What it answers; null: nothing. */
  const life = { answer: { pid, steps: 0, in_flight: 0 } as object | null, skewMs: 0, pings: 0 };
  worker.session.ping = (timeoutMs) => {
    life.pings += 1;
    if (life.answer !== null) return Promise.resolve(life.answer as never);
    return new Promise((_, reject) => setTimeout(() => reject(new Error("timeout")), timeoutMs));
  };
  const watch = new WorkerWatch({
    session: worker.session,
    timeouts: timeoutsSchema.parse({}),
    capBytes,
    onPong: () => (seen.pongs += 1),
    onMemory: (bytes, by) => seen.memory.push([bytes, by]),
    onFailure: (failure, hung) => seen.failures.push({ failure, hung }),
    now: () => performance.now() + life.skewMs,
  });
  onTestFinished(() => watch.stop());
  const violate = (kind: Violation["kind"], times = 1) => {
    for (let time = 0; time < times; time++) worker.session.noteViolation({ kind, excerpt: "x" });
  };
  const soon = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  return { worker, watch, seen, life, violate, soon };
}

const causes = (seen: ReturnType<typeof watching>["seen"]) =>
  seen.failures.map(({ failure, hung }) => `${failure.class} ${failure.reason.cause}${hung ? " hung" : ""}`);

describe("the watch over a worker", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] }));
  afterEach(() => void vi.useRealTimers());

  it("says nothing of one that answers and has nothing to do", async () => {
    const { watch, seen, soon } = watching();
    await soon(600_000);
    expect(seen).toMatchObject({ pongs: 120, failures: [] });
    expect(watch.isStalled).toBe(false);
  });

  it("ends one that answers no ping", async () => {
    const { seen, life, soon } = watching();
    life.answer = null;
    await soon(29_000);
    expect(seen.failures).toEqual([]);
    await soon(2_000);
    expect(causes(seen)).toEqual(["crash hung hung"]);
    expect(seen.failures[0]?.failure.reason.code).toBe("worker_crashed");
  });

  it("shows one as stalled that answers and makes no step, and ends it after the limit, once", async () => {
    const { watch, seen, life, soon } = watching();
    await soon(10_000);
    life.answer = { pid: 1, steps: 7, in_flight: 1 };
    await soon(30_000);
    expect(watch.isStalled).toBe(false);
    await soon(5_000);
    expect(watch.isStalled).toBe(true);
    await soon(85_000);
    expect(seen.failures).toEqual([]);
    await soon(5_000);
    expect(causes(seen)).toEqual(["crash wedged hung"]);
    await soon(300_000);
    expect(seen.failures).toHaveLength(1);
  });

  it("ends one whose engine stands still before it takes what was sent to it", async () => {
    const { worker, seen, soon } = watching();
    await soon(10_000);
    void worker.session.generate("r", REQUEST, { onRow: () => {}, onLost: () => {} }).catch(() => {});
    await soon(115_000);
    expect(seen.failures).toEqual([]);
    await soon(10_000);
    expect(causes(seen)).toEqual(["crash wedged hung"]);
  });

  it("remembers what was not answered in time, until the worker answers", async () => {
    const manual = new FakeWorker(2, ["generate", "cancel"]);
    const asked = manual.session.generate("r", REQUEST, { onRow: () => {}, onLost: () => {} });
    asked.catch(() => {});
    await vi.advanceTimersByTimeAsync(0);
    expect(manual.session.owed).toBe(1);
    manual.asked.find(({ method }) => method === "generate")?.timeOut();
    await expect(asked).rejects.toThrow();
    expect([manual.session.inFlight, manual.session.owed]).toEqual([0, 1]);
    manual.asked.find(({ method }) => method === "cancel")?.answer({ cancelled: true });
    await vi.advanceTimersByTimeAsync(0);
    expect(manual.session.owed).toBe(0);
  });

  it("pings one no more that it has given up", async () => {
    const { life, soon } = watching();
    life.answer = { pid: 1, steps: 7, in_flight: 1 };
    await soon(125_000);
    const { pings } = life;
    await soon(60_000);
    expect(life.pings).toBe(pings);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not call one stalled that steps", async () => {
    const { watch, seen, life, soon } = watching();
    for (let steps = 1; steps < 40; steps++) {
      life.answer = { pid: 1, steps, in_flight: 2 };
      await soon(20_000);
      expect(watch.isStalled).toBe(false);
    }
    expect(seen.failures).toEqual([]);
  });

  it("judges nobody for a time the supervisor slept", async () => {
    const { seen, life, soon } = watching();
    life.answer = { pid: 1, steps: 7, in_flight: 1 };
    await soon(60_000);
    life.skewMs = 600_000;
    await soon(60_000);
    expect(seen.failures).toEqual([]);
  });

  it.each([
    ["not-json", 20],
    ["not-rpc", 20],
    ["unknown-id", 20],
    ["wrong-shape", 2],
    ["line-too-long", 0],
    ["line-too-rich", 0],
  ] as const)("bears %s %i times a minute", (kind, most) => {
    const { seen, violate } = watching();
    violate(kind, most);
    expect(seen.failures).toEqual([]);
    violate(kind);
    expect(causes(seen)).toEqual(["crash protocol_violation hung"]);
    violate(kind, 50);
    expect(seen.failures).toHaveLength(1);
  });

  it("forgets violations after a minute", async () => {
    const { seen, violate, soon } = watching();
    violate("wrong-shape", 2);
    await soon(60_000);
    violate("wrong-shape", 2);
    expect(seen.failures).toEqual([]);
  });

  it("says nothing after it was stopped", async () => {
    const { watch, seen, life, violate, soon } = watching({ pid: process.pid, capBytes: 1 });
    watch.stop();
    life.answer = null;
    violate("line-too-long");
    await soon(300_000);
    expect(seen.failures).toEqual([]);
    expect(life.pings).toBe(0);
  });

  it("says nothing any more when it is stopped while a ping is under way", async () => {
    const { watch, seen, life, soon } = watching();
    life.answer = null;
    await soon(28_000);
    watch.stop();
    await soon(300_000);
    expect(seen.failures).toEqual([]);
  });
});

describe.runIf(process.platform === "linux")("the watch over a worker's memory", () => {
  /** A process that stays as large as it is. */
  async function idleProcess(): Promise<{ pid: number; bytes: number }> {
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    const exited = once(child, "exit");
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await exited;
    });
    await once(child, "spawn");
    const { pid } = child;
    if (pid === undefined) throw new Error("no process");
    // Until it has become the program it shall be, it is as large as we are.
    await vi.waitFor(async () => {
      const first = await residentBytes(pid);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const second = await residentBytes(pid);
      expect(second).toBe(first);
      expect(second).toBeLessThan(20 * MIB);
    });
    return { pid, bytes: (await residentBytes(pid)) ?? 0 };
  }

  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  /** So many readings, each of which is real. */
  async function readings(count: number): Promise<void> {
    for (let reading = 0; reading < count; reading++) {
      await vi.advanceTimersByTimeAsync(250);
      // Files are read by a few threads, so after so many of ours the watch's has been read as well.
      for (let turn = 0; turn < 100; turn++) await residentBytes(process.pid);
    }
  }

  it("asks one to leave at the second reading over the cap", async () => {
    vi.useRealTimers();
    const { pid, bytes } = await idleProcess();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { seen } = watching({ pid, capBytes: bytes });
    await readings(1);
    expect(seen.failures).toEqual([]);
    await readings(1);
    expect(causes(seen)).toEqual(["resource footprint"]);
    expect(seen.failures[0]?.failure.reason.message).toContain(`${bytes} bytes`);
    await readings(3);
    expect(seen.failures).toHaveLength(1);
  });

  it("ends one at once that is far over it", async () => {
    vi.useRealTimers();
    const { pid, bytes } = await idleProcess();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { seen } = watching({ pid, capBytes: Math.floor(bytes / 2) });
    await readings(1);
    expect(causes(seen)).toEqual(["resource footprint hung"]);
  });

  it("leaves one alone that stays below, or of which nothing is known", async () => {
    vi.useRealTimers();
    const { pid, bytes } = await idleProcess();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const below = watching({ pid, capBytes: bytes * 2 });
    const unknown = watching({ pid: 2 ** 22 + 1, capBytes: 1 });
    await readings(4);
    expect([...below.seen.failures, ...unknown.seen.failures]).toEqual([]);
  });
});
