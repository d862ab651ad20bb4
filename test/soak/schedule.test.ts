import { describe, expect, it } from "vitest";
import { faultName, type ModelStep, modelSchedule, serviceSchedule } from "./schedule.ts";

function firstOf<T>(endless: Generator<T, never>, count: number): T[] {
  return Array.from({ length: count }, () => endless.next().value);
}

describe("the fault schedule", () => {
  it("is the same every time for the same seed", () => {
    expect(firstOf(modelSchedule(7, 2), 500)).toEqual(firstOf(modelSchedule(7, 2), 500));
    expect(firstOf(serviceSchedule(7), 500)).toEqual(firstOf(serviceSchedule(7), 500));
  });

  it("is what it was when it was written, so that a seed in a report can be run again", () => {
    const steps = firstOf(modelSchedule(1, 0), 4).map(({ fault, moment, delayMs }) => [
      faultName(fault),
      moment,
      delayMs,
    ]);
    expect(steps).toMatchInlineSnapshot(`
      [
        [
          "restart",
          "serving",
          76,
        ],
        [
          "SIGSEGV",
          "serving",
          593,
        ],
        [
          "SIGBUS",
          "coming",
          636,
        ],
        [
          "garbage",
          "serving",
          248,
        ],
      ]
    `);
  });

  it("differs between seeds and between models", () => {
    const [one, otherSeed, otherModel] = [modelSchedule(7, 0), modelSchedule(8, 0), modelSchedule(7, 1)].map(
      (schedule) => firstOf(schedule, 100),
    );
    expect(one).not.toEqual(otherSeed);
    expect(one).not.toEqual(otherModel);
  });

  it("holds every fault, a few of them on a model that is still coming", () => {
    const steps = firstOf(modelSchedule(3, 0), 3_000);
    const names = new Set(steps.map(({ fault }) => faultName(fault)));
    expect([...names].toSorted()).toEqual([
      "SIGABRT",
      "SIGBUS",
      "SIGKILL",
      "SIGSEGV",
      "SIGSTOP",
      "SIGTERM",
      "endless-line",
      "garbage",
      "hold-gil",
      "quarantine",
      "restart",
      "stall",
      "unload",
      "weights nan",
      "weights truncated",
    ]);
    const coming = steps.filter(({ moment }) => moment === "coming");
    expect(coming.length).toBeGreaterThan(100);
    expect(coming.every(({ fault }) => fault.kind === "signal" && fault.signal !== "SIGSTOP")).toBe(true);
  });

  it("comes thick enough at times for three failures in a row", () => {
    const steps = firstOf(modelSchedule(3, 0), 1_000);
    const isQuick = ({ delayMs, fault }: ModelStep) => fault.kind === "signal" && delayMs < 300;
    const runs = steps.filter((_, at) => steps.slice(at, at + 3).every(isQuick));
    expect(runs.length).toBeGreaterThan(10);
  });

  it("pauses the service both shorter and longer than its heartbeats allow", () => {
    const pauses = firstOf(serviceSchedule(3), 200).flatMap(({ fault }) =>
      fault.kind === "pause" ? [fault.forMs] : [],
    );
    expect(Math.min(...pauses)).toBeLessThan(1_000);
    expect(Math.max(...pauses)).toBeGreaterThan(8_000);
  });
});
