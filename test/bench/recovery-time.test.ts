import { describe, expect, it } from "vitest";
import { recoveryTime } from "./recovery-time.ts";

/** Arrival times with these gaps, from zero on. */
function arrivals(...spans: readonly (readonly [gapMs: number, count: number])[]): number[] {
  let now = 0;
  return spans.flatMap(([gapMs, count]) => Array.from({ length: count }, () => (now += gapMs)));
}

describe("recoveryTime", () => {
  it("is the wait for the first free piece when gaps shrink at once", () => {
    const times = arrivals([50, 20], [5, 40]);
    expect(recoveryTime(times, 1001)).toBe(4);
  });

  it("counts the burdened pieces that still come after the burden has left", () => {
    const times = arrivals([50, 20], [5, 40]);
    // Left ten slow pieces before the gaps shrink at 1000.
    expect(recoveryTime(times, 501)).toBe(504);
  });

  it("is not fooled by a single quick piece", () => {
    const times = arrivals([50, 20], [2, 1], [50, 10], [5, 40]);
    expect(recoveryTime(times, 1001)).toBe(506);
  });

  it("refuses to name a number when the burden made no difference", () => {
    expect(() => recoveryTime(arrivals([10, 80]), 401)).toThrow("expected gaps to shrink");
  });
});
