import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { deadmanSeconds, Heartbeat } from "../../supervisor/workers/heartbeat.ts";

const PONG = { pid: 1, steps: 2, in_flight: 0 };

/** A heartbeat on a fake clock, with a worker that answers while `answers` is true. */
function beating() {
  const seen = { pings: 0, pongs: 0, hung: 0 };
  const worker = { answers: true, isDeaf: false, clockSkewMs: 0 };
  const heart = new Heartbeat({
    periodMs: 5_000,
    answerMs: 10_000,
    ping: (timeoutMs) => {
      seen.pings += 1;
      if (worker.isDeaf) return Promise.reject(new Error("the pipe is closed"));
      if (worker.answers) return Promise.resolve(PONG);
      return new Promise((_, reject) => setTimeout(() => reject(new Error("timeout")), timeoutMs));
    },
    onPong: () => (seen.pongs += 1),
    onHung: () => (seen.hung += 1),
    now: () => Date.now() + worker.clockSkewMs,
  });
  return { heart, seen, worker };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the heartbeat", () => {
  it("pings every 5 s while the worker answers", async () => {
    const { seen } = beating();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toEqual({ pings: 12, pongs: 12, hung: 0 });
  });

  it("calls a worker hung after three misses, 30 s after its last answer, once", async () => {
    const { seen, worker } = beating();
    worker.answers = false;
    await vi.advanceTimersByTimeAsync(29_000);
    expect(seen.hung).toBe(0);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(seen.hung).toBe(1);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(seen).toMatchObject({ pings: 3, hung: 1 });
  });

  it("takes its time with a worker that cannot even be asked: its exit may be on its way", async () => {
    const { seen, worker } = beating();
    worker.isDeaf = true;
    await vi.advanceTimersByTimeAsync(24_000);
    expect(seen).toMatchObject({ pings: 2, hung: 0 });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(seen).toMatchObject({ pings: 3, hung: 1 });
  });

  it("forgets the misses when an answer comes", async () => {
    const { seen, worker } = beating();
    worker.answers = false;
    await vi.advanceTimersByTimeAsync(20_000);
    worker.answers = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen.hung).toBe(0);
  });

  it("judges nobody for time the supervisor itself slept", async () => {
    const { seen, worker } = beating();
    worker.answers = false;
    await vi.advanceTimersByTimeAsync(26_000);
    worker.clockSkewMs += 60_000;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(seen.hung).toBe(0);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(seen.hung).toBe(1);
  });

  it("has a full say after a sleep between two pings", async () => {
    const { seen, worker } = beating();
    await vi.advanceTimersByTimeAsync(7_000);
    worker.answers = false;
    worker.clockSkewMs += 3_600_000;
    await vi.advanceTimersByTimeAsync(3_000 + 24_000);
    expect(seen.hung).toBe(0);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(seen.hung).toBe(1);
  });

  it("gives a worker up well before the worker gives it up, however patient it is told to be", () => {
    expect(deadmanSeconds({ heartbeat_seconds: 5, ping_seconds: 10 })).toBe(90);
    expect(deadmanSeconds({ heartbeat_seconds: 5, ping_seconds: 60 })).toBe(215);
  });

  it("stops", async () => {
    const { heart, seen } = beating();
    heart.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen.pings).toBe(0);
  });
});
