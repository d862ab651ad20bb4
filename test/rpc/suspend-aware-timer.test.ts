import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { suspendAwareTimer } from "../../supervisor/rpc/suspend-aware-timer.ts";

/** What a monotonic clock shows beside the timers' own time. */
let stoodStillMs = 0;
let due = 0;
const now = () => vi.getMockedSystemTime()!.getTime() + stoodStillMs;

beforeEach(() => {
  vi.useFakeTimers();
  stoodStillMs = 0;
  due = 0;
});
afterEach(() => void vi.useRealTimers());

it("fires once when the time is up", () => {
  suspendAwareTimer(5_000, () => (due += 1), now);
  vi.advanceTimersByTime(4_999);
  expect(due).toBe(0);
  vi.advanceTimersByTime(60_000);
  expect(due).toBe(1);
});

it("counts anew when this process stood still in between", () => {
  suspendAwareTimer(5_000, () => (due += 1), now);
  vi.advanceTimersByTime(1_000);
  stoodStillMs = 30_000;
  vi.advanceTimersByTime(4_000);
  expect(due).toBe(0);
  vi.advanceTimersByTime(5_000);
  expect(due).toBe(1);
});

it("bears a little lateness, as every timer has", () => {
  suspendAwareTimer(5_000, () => (due += 1), now);
  stoodStillMs = 900;
  vi.advanceTimersByTime(5_000);
  expect(due).toBe(1);
});

it("can be forgotten, also after it has begun anew", () => {
  const forget = suspendAwareTimer(5_000, () => (due += 1), now);
  stoodStillMs = 30_000;
  vi.advanceTimersByTime(5_000);
  forget();
  vi.advanceTimersByTime(60_000);
  expect(due).toBe(0);
});
