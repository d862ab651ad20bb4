import type { BenchContext } from "./bench-context.ts";
import type { Figure, FigureResult, Subject } from "./figure.ts";
import { digits } from "./judge-goal.ts";
import { median } from "./statistics.ts";

/** No measurement of one round takes longer on the slowest machine that makes sense. */
const LIMIT_MS = 180_000;

export type Progress = (text: string) => void;

/** Measures one figure: rounds interleaved, and in every round another subject is first. */
export async function measureFigure(
  figure: Figure,
  context: BenchContext,
  rounds: number,
  progress: Progress,
): Promise<FigureResult> {
  const samples: Partial<Record<Subject, number[][]>> = {};
  const failures: Partial<Record<Subject, string>> = {};
  for (let round = 0; round < rounds; round += 1)
    for (const subject of rotated(figure.subjects, round)) {
      if (failures[subject] !== undefined) continue;
      const what = `${figure.name}  round ${round + 1}/${rounds}  ${subject}`;
      progress(`${what} …`);
      try {
        const values = await inTime(figure.measure(context, subject, round));
        samples[subject] = [...(samples[subject] ?? []), [...values]];
        progress(`${what}  ${digits(median(values))} ${figure.unit}`);
      } catch (error) {
        failures[subject] = (error as Error).message;
        progress(`${what}  failed: ${failures[subject]}`);
      }
    }
  return { figure, samples, failures };
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const first = by % Math.max(1, items.length);
  return [...items.slice(first), ...items.slice(0, first)];
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LIMIT_MS / 1000} s`)), LIMIT_MS);
  });
  try {
    return await Promise.race([work, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}
