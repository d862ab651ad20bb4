import type { Goal, Samples } from "./figure.ts";
import { ratioOfRounds, summarise } from "./statistics.ts";

export interface Verdict {
  /** `≥ 0.9 × bare`. */
  readonly goal: string;
  /** `1.02 ×`. */
  readonly actual: string;
  readonly met: boolean;
}

/** Goal and result side by side; null when one of the sides was not measured. */
export function judgeGoal(goal: Goal, samples: Samples, unit: string): Verdict | null {
  const actual = measured(goal, samples);
  if (actual === null) return null;
  const sign = goal.direction === "at-least" ? "≥" : "≤";
  const met = goal.direction === "at-least" ? actual >= goal.value : actual <= goal.value;
  switch (goal.kind) {
    case "ratio":
      return { goal: `${sign} ${goal.value} × ${goal.against}`, actual: `${actual.toFixed(2)} ×`, met };
    case "limit":
      return {
        goal: `${sign} ${goal.value} ${unit} ${goal.statistic}`,
        actual: `${digits(actual)} ${unit}`,
        met,
      };
    default:
      return goal satisfies never;
  }
}

/** Three significant digits, and whole numbers from 100 on. */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : 2);
}

function measured(goal: Goal, samples: Samples): number | null {
  const rounds = samples[goal.of] ?? [];
  if (rounds.flat().length === 0) return null;
  if (goal.kind === "limit") return summarise(rounds.flat())[goal.statistic];
  const against = samples[goal.against] ?? [];
  return against.flat().length === 0 ? null : ratioOfRounds(rounds, against);
}
