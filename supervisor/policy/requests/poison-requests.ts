/** Milliseconds of a monotonic clock: suspicion does not outlive the supervisor. */
export type MonotonicMs = number;

/** What is remembered of one request's fingerprint (hash of model key and canonical body). */
export interface Suspect {
  /** Crashes it was in flight at. */
  readonly crashes: number;
  readonly lastCrashAt: MonotonicMs;
  /** The last of its crashes that was counted as a failure of the model. */
  readonly countedAt: MonotonicMs | null;
}

/** Suspects by fingerprint, the one with the newest crash last. */
export type Suspects = ReadonlyMap<string, Suspect>;

export interface SuspectNumbers {
  /** Crashes with the same fingerprint within this time count once. */
  readonly countOnceMs: number;
  /** In flight at this many crashes, a request is refused. */
  readonly refusedAtCrashes: number;
  /** How long after its last crash a request is suspected or refused. */
  readonly rememberedMs: number;
  readonly mostSuspects: number;
}

const MINUTE_MS = 60_000;

/** SDKs try a failed request three times: counted each, one bad prompt would quarantine a sound model. */
export const SUSPECT_DEFAULTS: SuspectNumbers = {
  countOnceMs: 10 * MINUTE_MS,
  refusedAtCrashes: 2,
  rememberedMs: 60 * MINUTE_MS,
  mostSuspects: 1_000,
};

export const NO_SUSPECTS: Suspects = new Map();

/** Ends that came from outside the worker: no request brings them about. */
const BLAMELESS: ReadonlySet<string> = new Set(["killed_external", "gpu_collateral", "deadman"]);

/** Ends for want of memory: while a request is prepared, it is that one which takes it. */
const WANT_OF_MEMORY: ReadonlySet<string> = new Set(["footprint", "host_oom", "killed_oom"]);

export interface Crash {
  /** Fingerprints of the requests that were in flight. */
  readonly fingerprints: Iterable<string>;
  /** Fingerprint of the request that was being prepared; null or absent: none, as far as is known. */
  readonly preparing?: string | null;
  /** Named cause of the crash. */
  readonly cause: string;
  readonly now: MonotonicMs;
}

/**
 * The suspects after a crash, and whether it counts as a failure of the model: not when one of its requests was in flight
 * at a crash that was counted in the last ten minutes. Everything in flight becomes a suspect; because suspects run
 * alone, the second crash singles out who was in both.
 *
 * Want of memory while a request is prepared is that request's fault alone, and never the model's.
 */
export function noteCrash(
  suspects: Suspects,
  { fingerprints, preparing = null, cause, now }: Crash,
  numbers = SUSPECT_DEFAULTS,
): { readonly suspects: Suspects; readonly counts: boolean } {
  if (BLAMELESS.has(cause)) return { suspects, counts: true };
  const culprit = WANT_OF_MEMORY.has(cause) ? preparing : null;
  const inFlight = new Set(culprit === null ? fingerprints : [culprit]);
  const known = remembered(suspects, now, numbers);
  const wasCounted = [...inFlight].some((fingerprint) => {
    const countedAt = known.get(fingerprint)?.countedAt ?? null;
    return countedAt !== null && now - countedAt < numbers.countOnceMs;
  });
  const counts = culprit === null && !wasCounted;
  for (const fingerprint of inFlight) {
    const before = known.get(fingerprint);
    known.delete(fingerprint);
    known.set(fingerprint, {
      crashes: (before?.crashes ?? 0) + 1,
      lastCrashAt: now,
      countedAt: counts ? now : (before?.countedAt ?? null),
    });
  }
  return { suspects: bounded(known, inFlight, numbers), counts };
}

/** Must the request be refused (400 `request_suspected`)? */
export function isRefused(
  suspects: Suspects,
  fingerprint: string,
  now: MonotonicMs,
  numbers = SUSPECT_DEFAULTS,
): boolean {
  const suspect = suspects.get(fingerprint);
  return (
    suspect !== undefined && isCurrent(suspect, now, numbers) && suspect.crashes >= numbers.refusedAtCrashes
  );
}

/** Must the request run with no other beside it, so that a second crash tells whose fault it is? */
export function mustRunAlone(
  suspects: Suspects,
  fingerprint: string,
  now: MonotonicMs,
  numbers = SUSPECT_DEFAULTS,
): boolean {
  const suspect = suspects.get(fingerprint);
  return suspect !== undefined && isCurrent(suspect, now, numbers);
}

/** The suspects after one of them ran alone to its end: it was there by chance. A refused one stays refused. */
export function noteFinishedAlone(
  suspects: Suspects,
  fingerprint: string,
  numbers = SUSPECT_DEFAULTS,
): Suspects {
  const suspect = suspects.get(fingerprint);
  if (suspect === undefined || suspect.crashes >= numbers.refusedAtCrashes) return suspects;
  const left = new Map(suspects);
  left.delete(fingerprint);
  return left;
}

function isCurrent({ lastCrashAt }: Suspect, now: MonotonicMs, numbers: SuspectNumbers): boolean {
  return now - lastCrashAt < numbers.rememberedMs;
}

function remembered(suspects: Suspects, now: MonotonicMs, numbers: SuspectNumbers): Map<string, Suspect> {
  return new Map([...suspects].filter(([, suspect]) => isCurrent(suspect, now, numbers)));
}

/** Those of this crash stay, and before them the refused: forgetting one lets a known crasher in again. */
function bounded(
  suspects: Map<string, Suspect>,
  inFlight: ReadonlySet<string>,
  numbers: SuspectNumbers,
): Suspects {
  const surplus = suspects.size - numbers.mostSuspects;
  if (surplus <= 0) return suspects;
  const rank = ([fingerprint, { crashes }]: [string, Suspect]): number => {
    if (inFlight.has(fingerprint)) return 2;
    return crashes >= numbers.refusedAtCrashes ? 1 : 0;
  };
  const inOrderToGo = [...suspects].toSorted((one, other) => rank(one) - rank(other));
  for (const [fingerprint] of inOrderToGo.slice(0, surplus)) suspects.delete(fingerprint);
  return suspects;
}
