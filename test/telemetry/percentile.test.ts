import fc from "fast-check";
import { expect, it } from "vitest";
import { percentile } from "../../supervisor/telemetry/percentile.ts";

const values = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 60 });
const percents = fc.integer({ min: 1, max: 100 });

it("is the textbook value", () => {
  const twenty = Array.from({ length: 20 }, (_, index) => 20 - index);
  expect([percentile(twenty, 50), percentile(twenty, 95), percentile(twenty, 100)]).toEqual([10, 19, 20]);
  expect([percentile([7], 1), percentile([7], 95)]).toEqual([7, 7]);
  expect(percentile([], 50)).toBeNull();
});

it("is the smallest value that enough of them do not exceed", () => {
  fc.assert(
    fc.property(values, percents, (all, percent) => {
      const found = percentile(all, percent)!;
      const upTo = (limit: number) => all.filter((value) => value <= limit).length * 100;
      expect(all).toContain(found);
      expect(upTo(found)).toBeGreaterThanOrEqual(percent * all.length);
      const smaller = all.filter((value) => value < found);
      for (const value of smaller) expect(upTo(value)).toBeLessThan(percent * all.length);
    }),
  );
});

it("leaves its values in their order", () => {
  const all = [3, 1, 2];
  percentile(all, 50);
  expect(all).toEqual([3, 1, 2]);
});
