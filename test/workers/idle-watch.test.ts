import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { IdleWatch } from "../../supervisor/workers/idle-watch.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watched() {
  const subject = { inFlight: 0, lastUsedAt: performance.now() };
  const expiries: number[] = [];
  const start = performance.now();
  const watch = new IdleWatch({
    subject,
    idleMs: 10_000,
    onIdle: () => expiries.push(performance.now() - start),
    now: () => performance.now(),
  });
  return { subject, expiries, watch };
}

describe("the idle watch", () => {
  it("fires when nothing has come for the whole time", async () => {
    const { expiries, watch } = watched();
    await vi.advanceTimersByTimeAsync(9_999);
    expect(expiries).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(expiries).toEqual([10_000]);
    watch.stop();
  });

  it("counts anew from the last request, and never fires while one runs", async () => {
    const { subject, expiries, watch } = watched();
    await vi.advanceTimersByTimeAsync(6_000);
    subject.inFlight = 1;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(expiries).toEqual([]);
    subject.inFlight = 0;
    subject.lastUsedAt = performance.now();
    await vi.advanceTimersByTimeAsync(9_000);
    expect(expiries).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(expiries).toHaveLength(1);
    watch.stop();
  });

  it("stops", async () => {
    const { expiries, watch } = watched();
    watch.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(expiries).toEqual([]);
  });
});
