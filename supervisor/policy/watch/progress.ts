/** What is known of a worker's steps. Monotonic milliseconds. */
export interface Progress {
  readonly steps: number;
  /** When the last step was seen, or when the worker last had nothing to do. */
  readonly since: number;
  /** When it was last heard. */
  readonly heardAt: number;
}

export interface SignOfLife {
  /** Engine steps and prepared prompts so far; a prefill chunk is one step. */
  readonly steps: number;
  readonly inFlight: number;
  readonly now: number;
}

export type ProgressVerdict = "moving" | "stalled" | "stuck";

/** A stall is shown from this part of the limit on. */
const SHOWN_FROM = 1 / 4;

/**
 * Whether a worker that answers still gets anywhere. A gap of more than `gapMs` between two answers means that the
 * supervisor was itself asleep or stopped: then it judges nobody and starts anew.
 *
 * @param limitMs work in flight and no step for this long: stuck
 */
export function judgeProgress(
  before: Progress | null,
  { steps, inFlight, now }: SignOfLife,
  { limitMs, gapMs }: { readonly limitMs: number; readonly gapMs: number },
): { readonly progress: Progress; readonly verdict: ProgressVerdict } {
  const isMoving =
    before === null || inFlight === 0 || steps !== before.steps || now - before.heardAt > gapMs;
  const since = isMoving ? now : before.since;
  const stood = now - since;
  const verdict = stood >= limitMs ? "stuck" : stood >= limitMs * SHOWN_FROM ? "stalled" : "moving";
  return { progress: { steps, since, heardAt: now }, verdict };
}
