import type { BenchContext } from "./bench-context.ts";

/** What is measured: the loop without a server, the peer, our worker spoken to directly, and the whole service. */
export const SUBJECTS = ["bare", "mlx_lm.server", "worker", "opta-lmx"] as const;
export type Subject = (typeof SUBJECTS)[number];

/** What a figure must reach. Data, so that the table can show it and a reader can check it. */
export type Goal =
  | {
      readonly kind: "ratio";
      readonly of: Subject;
      readonly against: Subject;
      readonly direction: "at-least" | "at-most";
      readonly value: number;
    }
  | {
      readonly kind: "limit";
      readonly of: Subject;
      readonly statistic: "median" | "p95" | "p99";
      readonly direction: "at-least" | "at-most";
      readonly value: number;
    };

/** One number worth knowing. A new one is a file in `figures/` and a line in `figures.ts`. */
export interface Figure {
  /** For `--only`. */
  readonly name: string;
  /** What is measured, in the words of the table. */
  readonly title: string;
  readonly unit: "tokens/s" | "ms" | "MB";
  readonly subjects: readonly Subject[];
  readonly goals: readonly Goal[];
  /** Samples of one round. Throws when the subject did not do the work: a wrong answer is never a fast one. */
  measure(context: BenchContext, subject: Subject, round: number): Promise<readonly number[]>;
}

/** Samples of a figure: per subject a list of rounds, each a list of samples. */
export type Samples = Partial<Record<Subject, readonly (readonly number[])[]>>;

export interface FigureResult {
  readonly figure: Figure;
  readonly samples: Samples;
  /** What failed, by subject. */
  readonly failures: Partial<Record<Subject, string>>;
}
