/** One failure of the Python runtime. */
export interface RuntimeFailure {
  readonly model: string;
  /** Word or words that tell two different failures apart. */
  readonly cause: string;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/** A runtime that cannot run workers is tried again this often. */
export const RUNTIME_RETRY_MS = 30_000;

const WINDOW_MS = 5 * 60_000;
const FAILURES_UNTIL_BROKEN = 3;
const MODELS_UNTIL_BROKEN = 2;

/** The failures of the last five minutes with one more, and whether they mean that no worker can be started at all. */
export function noteRuntimeFailure(
  earlier: readonly RuntimeFailure[],
  failure: RuntimeFailure,
): { readonly failures: readonly RuntimeFailure[]; readonly isBroken: boolean } {
  const failures = [...earlier.filter(({ at }) => failure.at - at < WINDOW_MS), failure].slice(-50);
  const alike = failures.filter(({ cause }) => cause === failure.cause);
  const models = new Set(alike.map(({ model }) => model));
  return {
    failures,
    isBroken: alike.length >= FAILURES_UNTIL_BROKEN || models.size >= MODELS_UNTIL_BROKEN,
  };
}
