import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RuntimeWatch } from "../../../supervisor/backends/mlx/runtime-watch.ts";

const log = pino({ level: "silent" });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A watch over a runtime that works while `works` is true. */
function watching() {
  const runtime = { works: false, proofs: 0, mended: 0, prove: null as (() => Promise<void>) | null };
  const watch = new RuntimeWatch({
    prove: async () => {
      runtime.proofs += 1;
      if (runtime.prove !== null) return await runtime.prove();
      if (!runtime.works) throw new Error("no python");
    },
    onMended: () => (runtime.mended += 1),
    now: () => Date.now(),
    log,
  });
  const breakIt = () => {
    watch.failed("a", "spawn_failed", "no such file");
    watch.failed("b", "spawn_failed", "no such file: python");
  };
  return { watch, runtime, breakIt };
}

describe("a runtime that starts no workers", () => {
  it("is called broken when two models meet the same, and then no worker is started", () => {
    const { watch } = watching();
    watch.failed("a", "spawn_failed", "no such file");
    expect(watch.broken).toBeNull();
    expect(() => watch.check()).not.toThrow();
    watch.failed("b", "spawn_failed", "no such file: python");
    expect(watch.broken).toBe("no such file: python");
    expect(() => watch.check()).toThrow(
      expect.objectContaining({ code: "worker_runtime_broken", retryAfterSeconds: 30 }),
    );
    watch.stop();
  });

  it("is tried every 30 s and goes on by itself when it works again", async () => {
    const { watch, runtime, breakIt } = watching();
    breakIt();
    await vi.advanceTimersByTimeAsync(29_999);
    expect(runtime.proofs).toBe(0);
    await vi.advanceTimersByTimeAsync(60_001);
    expect(runtime).toMatchObject({ proofs: 3, mended: 0 });
    expect(watch.broken).not.toBeNull();
    runtime.works = true;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(runtime).toMatchObject({ proofs: 4, mended: 1 });
    expect(watch.broken).toBeNull();
    expect(() => watch.check()).not.toThrow();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(runtime.proofs).toBe(4);
  });

  it("is tried after one failure already, so that the model it hit is loaded again", async () => {
    const { watch, runtime } = watching();
    runtime.works = true;
    watch.failed("a", "handshake_timeout", "no answer");
    await vi.advanceTimersByTimeAsync(30_000);
    expect(runtime).toMatchObject({ proofs: 1, mended: 1 });
  });

  it("forgets the old failures when it works again", async () => {
    const { watch, runtime, breakIt } = watching();
    runtime.works = true;
    breakIt();
    await vi.advanceTimersByTimeAsync(30_000);
    watch.failed("a", "spawn_failed", "again");
    expect(watch.broken).toBeNull();
    watch.stop();
  });

  it("is tried once at a time, however many models fail", async () => {
    const { watch, runtime, breakIt } = watching();
    breakIt();
    for (let index = 0; index < 20; index++) watch.failed(`m${index}`, "spawn_failed", "no");
    await vi.advanceTimersByTimeAsync(30_000);
    expect(runtime.proofs).toBe(1);
    watch.stop();
    await vi.advanceTimersByTimeAsync(300_000);
    expect(runtime.proofs).toBe(1);
  });

  it("is tried no more after a stop, even when a try was under way", async () => {
    const { watch, runtime, breakIt } = watching();
    const proof = Promise.withResolvers<void>();
    runtime.prove = () => proof.promise;
    breakIt();
    await vi.advanceTimersByTimeAsync(30_000);
    watch.stop();
    proof.reject(new Error("no python"));
    await vi.advanceTimersByTimeAsync(300_000);
    expect(runtime.proofs).toBe(1);
  });

  it("tells nobody after a stop that it works", async () => {
    const { watch, runtime, breakIt } = watching();
    const proof = Promise.withResolvers<void>();
    runtime.prove = () => proof.promise;
    breakIt();
    await vi.advanceTimersByTimeAsync(30_000);
    watch.stop();
    proof.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(runtime.mended).toBe(0);
  });
});
