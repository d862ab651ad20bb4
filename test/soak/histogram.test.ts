import { describe, expect, it } from "vitest";
import { Histogram } from "./histogram.ts";

describe("a histogram", () => {
  it("knows its quantiles to 2 % and its largest value exactly", () => {
    const histogram = new Histogram();
    for (let ms = 1; ms <= 1_000; ms++) histogram.add(ms);
    const { count, p50, p99, p999, max } = histogram.summary();
    expect([count, max]).toEqual([1_000, 1_000]);
    for (const [got, exact] of [
      [p50, 500],
      [p99, 990],
      [p999, 999],
    ] as const) {
      expect(got).toBeGreaterThanOrEqual(exact);
      expect(got).toBeLessThanOrEqual(exact * 1.02);
    }
  });

  it("takes nothing and zero", () => {
    const histogram = new Histogram();
    expect(histogram.quantile(0.5)).toBeNull();
    histogram.add(0);
    expect(histogram.quantile(0.5)).toBe(0);
  });
});
