import type { EpochMs } from "../lifecycle/failure-record.ts";

/** Written before a model is loaded, removed on a clean end or after its first ten routable minutes. */
export interface LoadIntent {
  /** The model key. */
  readonly key: string;
  /** Of the worker. */
  readonly pid: number;
  /** Null: the system would not tell. */
  readonly bootId: string | null;
  readonly at: EpochMs;
}

/**
 * Keys that were being loaded, or had just been, when the machine itself went down: a start leaves them out of its
 * auto-load once and reports them. No more than that, because a power cut looks the same; only a panic report that
 * names the worker makes it the model's doing.
 */
export function keysThatMayHaveTakenTheHostDown(
  intents: readonly LoadIntent[],
  bootId: string | null,
): readonly string[] {
  const suspects = intents.filter((intent) => isOfAnotherBoot(intent, bootId)).map(({ key }) => key);
  return [...new Set(suspects)];
}

function isOfAnotherBoot(intent: LoadIntent, bootId: string | null): boolean {
  return bootId !== null && intent.bootId !== null && intent.bootId !== bootId;
}
