import { describe, expect, it } from "vitest";
import { median, quantile, ratioOfRounds, summarise } from "./statistics.ts";

describe("statistics", () => {
  it("takes the middle of an odd number and the mean of the middle two of an even one", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  it("interpolates between neighbours and reaches both ends", () => {
    const values = [0, 10, 20, 30, 40];
    expect(quantile(values, 0)).toBe(0);
    expect(quantile(values, 0.95)).toBeCloseTo(38);
    expect(quantile(values, 1)).toBe(40);
  });

  it("leaves the samples in their order", () => {
    const values = [3, 1, 2];
    expect(summarise(values)).toEqual({ min: 1, median: 2, p95: 2.9, p99: 2.98, max: 3, count: 3 });
    expect(values).toEqual([3, 1, 2]);
  });

  it("refuses to summarise nothing", () => {
    expect(() => median([])).toThrow("no samples");
  });

  it("compares within each round, so that a slow spell of the machine does not count", () => {
    const ours = [[100], [10], [100]];
    const theirs = [[50], [5], [50]];
    expect(ratioOfRounds(ours, theirs)).toBe(2);
    // The same samples without their rounds would say something else.
    expect(ratioOfRounds([[100], [10]], [[50], [50]])).toBeCloseTo(1.1);
  });

  it("leaves rounds out that one side has not finished", () => {
    expect(ratioOfRounds([[30], [80]], [[10]])).toBe(3);
  });
});
