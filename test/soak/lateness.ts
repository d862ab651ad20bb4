/** One request to a model that may die, as its client saw it. Monotonic milliseconds. */
export interface SeenRequest {
  readonly openedAt: number;
  /** When the first content came; null: none. */
  readonly begunAt: number | null;
  readonly endedAt: number;
  /** `ok`, the code of its error, or `aborted`. */
  readonly outcome: string;
}

/** `in-time` and `late` belong to the share that is judged; a stream that goes on after a death is `continued`. */
export type Lateness =
  | { readonly kind: "ended"; readonly ms: number }
  | { readonly kind: "continued" }
  | null;

/** A process is looked for every few milliseconds, on a busy machine later: an answer may come before its death is seen. */
export const SEEN_LATE_MS = 1_000;

/**
 * How long after its worker's exit a request ended; null: no death concerned it. One that had not begun may be held
 * and sent again, so it is judged only when it ended with the news of a death, by the last one.
 *
 * @param deaths of the model's workers, ascending, of at least the time the request was open
 */
export function latenessOf(request: SeenRequest, deaths: readonly number[]): Lateness {
  const { openedAt, begunAt, endedAt, outcome } = request;
  if (outcome === "worker_crashed") {
    // What had begun is on the worker it began on: deaths before that are no news to it.
    const since = begunAt ?? openedAt;
    const last = deaths.findLast((at) => at > since && at <= endedAt + SEEN_LATE_MS);
    return last === undefined ? null : { kind: "ended", ms: Math.max(0, endedAt - last) };
  }
  if (begunAt === null || outcome === "aborted") return null;
  const first = deaths.find((at) => at > begunAt && at < endedAt);
  if (first === undefined) return null;
  // Whole although its worker died: nothing says when it went on.
  return outcome === "ok" ? { kind: "continued" } : { kind: "ended", ms: endedAt - first };
}
