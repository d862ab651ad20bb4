import { expect, it } from "vitest";
import { driftOf } from "./vitals.ts";

it("compares the middle of the first tenth with that of the last", () => {
  const samples = [...Array(10).fill(1), 99, ...Array(79).fill(50), ...Array(9).fill(7), 1_000];
  expect(driftOf(samples)).toEqual({ first: 1, last: 7 });
  expect(driftOf([3])).toEqual({ first: 3, last: 3 });
  expect(driftOf([])).toBeNull();
});
