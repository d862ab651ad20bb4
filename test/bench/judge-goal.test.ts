import { describe, expect, it } from "vitest";
import { digits, judgeGoal } from "./judge-goal.ts";

const samples = { "opta-lmx": [[90], [99]], bare: [[100], [100]] };

describe("judgeGoal", () => {
  it("judges a ratio in both directions", () => {
    const goal = { kind: "ratio", of: "opta-lmx", against: "bare", value: 0.9 } as const;
    expect(judgeGoal({ ...goal, direction: "at-least" }, samples, "tokens/s")).toEqual({
      goal: "≥ 0.9 × bare",
      actual: "0.95 ×",
      met: true,
    });
    expect(judgeGoal({ ...goal, direction: "at-most" }, samples, "tokens/s")?.met).toBe(false);
  });

  it("judges a limit by the statistic it names", () => {
    const rounds = { "opta-lmx": [[1, 1, 1, 1, 9]] };
    const goal = { kind: "limit", of: "opta-lmx", direction: "at-most", value: 2 } as const;
    expect(judgeGoal({ ...goal, statistic: "median" }, rounds, "ms")).toEqual({
      goal: "≤ 2 ms median",
      actual: "1.00 ms",
      met: true,
    });
    expect(judgeGoal({ ...goal, statistic: "p95" }, rounds, "ms")?.met).toBe(false);
  });

  it("says nothing about what was not measured", () => {
    const goal = {
      kind: "ratio",
      of: "opta-lmx",
      against: "mlx_lm.server",
      direction: "at-least",
      value: 1,
    } as const;
    expect(judgeGoal(goal, samples, "tokens/s")).toBeNull();
  });
});

describe("digits", () => {
  it("shows three significant ones", () => {
    expect([1.2345, 12.345, 123.45, 1234.5, -0.5, -12.34].map(digits)).toEqual([
      "1.23",
      "12.3",
      "123",
      "1235",
      "-0.50",
      "-12.3",
    ]);
  });
});
