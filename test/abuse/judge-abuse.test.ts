import { expect, it } from "vitest";
import { beyondLimits, type Figures, LIMITS, latenciesOf } from "./judge-abuse.ts";

const MIB = 1024 * 1024;

const fine: Figures = {
  livezP99Ms: 20,
  livezWorstMs: 60,
  bareP99Ms: 5,
  beforeBytes: 100 * MIB,
  peakBytes: 400 * MIB,
  afterBytes: 150 * MIB,
  undisturbedMs: 100,
  disturbedMs: 150,
  undisturbedFirstTokenMs: 10,
  firstTokenMs: 20,
  bystanderAnswers: 9,
};

it("says nothing about figures within their limits", () => {
  expect(beyondLimits(fine, LIMITS)).toEqual([]);
});

it.each([
  [{ livezP99Ms: 101 }, "/livez p99 after a bare server's answer: expected at most 100 ms, got 101.0 ms"],
  [{ peakBytes: 601 * MIB }, "peak of resident memory: expected at most 600 MiB, got 601.0 MiB"],
  [{ afterBytes: 165 * MIB }, "memory that did not come back: expected at most 64 MiB, got 65.0 MiB"],
  [
    { disturbedMs: 410 },
    "a stream of the bystander: expected at most 4 times undisturbed, got 4.1 times undisturbed",
  ],
])("names the limit that %j is beyond", (more, sentence) => {
  expect(beyondLimits({ ...fine, ...more }, LIMITS)).toEqual([sentence]);
});

const check = (livezMs: number, bareMs: number) => ({
  livez: { milliseconds: livezMs, problem: null },
  bare: { milliseconds: bareMs, problem: null },
});

it("one late answer in fifty shows in the 99th percentile", () => {
  const health = Array.from({ length: 100 }, (_, n) => check(n < 2 ? 901 : 3, 1));
  expect(latenciesOf({ health })).toEqual({ livezP99Ms: 900, livezWorstMs: 900, bareP99Ms: 1 });
});

it("does not blame the service for what a bare server takes at the same moment", () => {
  const health = Array.from({ length: 100 }, (_, n) => (n < 2 ? check(905, 900) : check(3, 1)));
  expect(latenciesOf({ health })).toMatchObject({ livezP99Ms: 5, bareP99Ms: 900 });
});
