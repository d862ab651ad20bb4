import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { WorkerMethod } from "../../shared/worker-protocol.ts";
import { WorkerPool } from "../../supervisor/workers/worker-pool.ts";
import { FakeWorker } from "../support/fake-worker.ts";

const log = pino({ level: "silent" });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function pooling({ keepSpare = true, manual = [] as readonly WorkerMethod[] } = {}) {
  const workers: FakeWorker[] = [];
  const machine = { hasRoom: true, fails: false, gate: Promise.resolve() };
  const pool = new WorkerPool({
    spawn: async () => {
      await machine.gate;
      if (machine.fails) throw new Error("EAGAIN");
      const worker = new FakeWorker(1000 + workers.length, manual);
      workers.push(worker);
      return worker.session;
    },
    keepSpare,
    hasRoom: async () => machine.hasRoom,
    initializeMs: 30_000,
    log,
  });
  const living = () => {
    const dead = new Set<number>();
    return Promise.all(
      workers.map((worker) =>
        Promise.race([worker.session.exited.then(() => dead.add(worker.pid)), Promise.resolve()]),
      ),
    ).then(() => workers.filter(({ pid }) => !dead.has(pid)).map(({ pid }) => pid));
  };
  const soon = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
  return { pool, workers, machine, living, soon };
}

describe("the spare worker", () => {
  it("is started once, has done its imports, and is what the next load gets", async () => {
    const { pool, workers, soon } = pooling();
    pool.warm();
    pool.warm();
    await soon();
    expect(pool.sparePid).toBe(1000);
    expect(workers[0]?.asked.map(({ method }) => method)).toEqual(["initialize"]);
    expect((await pool.take("load")).pid).toBe(1000);
    expect(pool.sparePid).toBeNull();
    expect(workers).toHaveLength(1);
  });

  it.each([
    ["load", 1_000],
    ["inspect", 0],
  ] as const)("is replaced after a %s took it, %i ms later", async (purpose, afterMs) => {
    const { pool, workers, soon } = pooling();
    pool.warm();
    await soon();
    await pool.take(purpose);
    if (afterMs > 0) {
      await soon(afterMs - 1);
      expect(workers).toHaveLength(1);
    }
    await soon(1);
    expect(pool.sparePid).toBe(1001);
  });

  it("is never given to two", async () => {
    const { pool, soon } = pooling();
    pool.warm();
    await soon();
    const taken = await Promise.all([pool.take("load"), pool.take("load"), pool.take("inspect")]);
    expect(new Set(taken.map(({ pid }) => pid)).size).toBe(3);
    await soon(5_000);
    expect(taken.map(({ pid }) => pid)).not.toContain(pool.sparePid);
  });

  it("is not kept where nobody wants one", async () => {
    const { pool, workers, soon } = pooling({ keepSpare: false });
    pool.warm();
    await soon();
    expect(workers).toEqual([]);
    await pool.take("load");
    await soon(120_000);
    expect(workers).toHaveLength(1);
    expect(pool.sparePid).toBeNull();
  });

  it("waits until the machine has memory for it", async () => {
    const { pool, workers, machine, soon } = pooling();
    machine.hasRoom = false;
    pool.warm();
    await soon(29_999);
    expect(workers).toEqual([]);
    machine.hasRoom = true;
    await soon(30_001);
    expect(pool.sparePid).toBe(1000);
  });

  it("is tried again 30 s after one that could not be started", async () => {
    const { pool, machine, soon } = pooling();
    machine.fails = true;
    pool.warm();
    await soon();
    machine.fails = false;
    await soon(29_999);
    expect(pool.sparePid).toBeNull();
    await soon(1);
    expect(pool.sparePid).toBe(1000);
  });

  it("that dies is replaced, not given out, and not at once", async () => {
    const { pool, workers, soon } = pooling();
    pool.warm();
    await soon();
    workers[0]?.die({ signal: "SIGSEGV" });
    await soon();
    expect(pool.sparePid).toBeNull();
    await soon(29_999);
    expect(workers).toHaveLength(1);
    await soon(1);
    expect(pool.sparePid).toBe(1001);
  });

  it("that refuses the handshake is ended", async () => {
    const { pool, workers, living, soon } = pooling({ manual: ["initialize"] });
    pool.warm();
    await soon();
    workers[0]?.asked[0]?.refuse("bad_version", "too old");
    await soon();
    expect(pool.sparePid).toBeNull();
    expect(await living()).toEqual([]);
  });

  it("hears from us more often than its deadman bites, until somebody has it", async () => {
    const { pool, workers, soon } = pooling();
    pool.warm();
    await soon(60_000);
    const pings = () => workers[0]?.asked.filter(({ method }) => method === "ping").length;
    expect(pings()).toBe(3);
    await pool.take("load");
    await soon(60_000);
    expect(pings()).toBe(3);
  });
});

describe("taking a worker", () => {
  it("throws what starting one throws", async () => {
    const { pool, machine } = pooling({ keepSpare: false });
    machine.fails = true;
    await expect(pool.take("load")).rejects.toThrow("EAGAIN");
  });

  it("gives out a spare in the middle of its imports", async () => {
    const { pool, workers, soon } = pooling({ manual: ["initialize"] });
    pool.warm();
    await soon();
    // The load waits for the same imports instead of doing them twice.
    expect((await pool.take("load")).pid).toBe(1000);
    expect(workers).toHaveLength(1);
  });
});

describe("proving that workers can be started", () => {
  it("starts one, waits for its imports, and ends it", async () => {
    const { pool, workers, living } = pooling({ keepSpare: false });
    await pool.prove();
    expect(workers).toHaveLength(1);
    expect(await living()).toEqual([]);
  });

  it("throws where none can be started, or none does its imports, and leaves no process", async () => {
    const { pool, machine, workers, living, soon } = pooling({ keepSpare: false, manual: ["initialize"] });
    machine.fails = true;
    await expect(pool.prove()).rejects.toThrow("EAGAIN");
    machine.fails = false;
    const proof = pool.prove();
    proof.catch(() => {});
    await soon();
    workers[0]?.die({ code: 1, stderrTail: "ImportError" });
    await expect(proof).rejects.toThrow();
    expect(await living()).toEqual([]);
  });
});

describe("closing", () => {
  it("ends the spare, waits for that, and starts none any more", async () => {
    const { pool, workers, living, soon } = pooling();
    pool.warm();
    await soon();
    await pool.close();
    expect(await living()).toEqual([]);
    pool.warm();
    await soon(120_000);
    expect(workers).toHaveLength(1);
  });

  it("ends a spare that was being started meanwhile", async () => {
    const { pool, workers, machine, living, soon } = pooling();
    const gate = Promise.withResolvers<void>();
    machine.gate = gate.promise;
    pool.warm();
    await soon();
    let isClosed = false;
    const closed = pool.close().then(() => {
      isClosed = true;
    });
    await soon();
    expect(isClosed).toBe(false);
    gate.resolve();
    await closed;
    expect(workers).toHaveLength(1);
    expect(await living()).toEqual([]);
  });
});
