/**
 * Milliseconds since the epoch. What is remembered here outlives the process, which no monotonic clock does; every
 * function that takes `now` first pulls times that a clock set back has left in the future to where they make sense.
 */
export type EpochMs = number;

/** What is remembered of one model key, over restarts of its worker and of the supervisor. Plain JSON. */
export interface FailureRecord {
  /** Counted failures in a row, less the forgiven ones. */
  readonly failures: number;
  /** When failures were counted, oldest first; only what the slow-flap rule still looks at. */
  readonly recent: readonly EpochMs[];
  /** One more with every quarantine by failures, one less per clean day; the next stay grows with it. */
  readonly level: number;
  /** Since when the level has had no blemish; null while it is 0, and while the model is kept out or on its one try. */
  readonly cleanSince: EpochMs | null;
  /** Half-open tries that failed since the model last proved itself. */
  readonly failedProbes: number;
  readonly standing: Standing;
}

/** How a model stands with the quarantine. */
export type Standing =
  | { readonly kind: "free" }
  | Quarantined
  /** Its one try is under way; without an outcome by `leaseUntil` it has failed. */
  | {
      readonly kind: "half-open";
      readonly leaseUntil: EpochMs;
      readonly rule: QuarantineRule;
      readonly cause: string;
    }
  /** Back in service, not trusted yet. `since`: routable since; null while it has no routable worker. */
  | { readonly kind: "probation"; readonly since: EpochMs | null; readonly finished: number };

export interface Quarantined {
  readonly kind: "quarantined";
  /** When whoever asks may try it once; null: only after an operator's word. */
  readonly until: EpochMs | null;
  readonly rule: QuarantineRule;
  /** Named cause of the last failure, or the operator's reason. */
  readonly cause: string;
}

export type QuarantineRule = "threshold" | "slow-flap" | "probation" | "probe-failed" | "operator";

export interface QuarantineNumbers {
  /** Failures in a row that quarantine, however far apart. */
  readonly threshold: number;
  /** This many failures within `slowFlapMs` quarantine, forgiven or not. */
  readonly slowFlapFailures: number;
  readonly slowFlapMs: number;
  /** One failure is forgiven for this long routable with at least so many requests finished. */
  readonly forgivenessMs: number;
  readonly forgivenessRequests: number;
  /** The first stay; each level doubles it up to the longest. */
  readonly firstStayMs: number;
  readonly longestStayMs: number;
  /** The level sinks by one for each clean stretch this long. */
  readonly levelDecayMs: number;
  /** After this many failed tries only an operator lets the model try again. */
  readonly probesUntilOperator: number;
  readonly probationMs: number;
  readonly probationRequests: number;
  readonly probationConcurrency: number;
  /** How long a try may take: the cap of a load plus the cap of its canary. */
  readonly leaseMs: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/**
 * The threshold has no window, because one load may take ten minutes. Stays grow and levels sink like an ejection of
 * Envoy's outlier detection (`base_ejection_time`).
 */
export const QUARANTINE_DEFAULTS: QuarantineNumbers = {
  threshold: 3,
  slowFlapFailures: 10,
  slowFlapMs: DAY_MS,
  forgivenessMs: 10 * MINUTE_MS,
  forgivenessRequests: 1,
  firstStayMs: 15 * MINUTE_MS,
  longestStayMs: DAY_MS,
  levelDecayMs: DAY_MS,
  probesUntilOperator: 5,
  probationMs: 10 * MINUTE_MS,
  probationRequests: 5,
  probationConcurrency: 1,
  leaseMs: 11 * MINUTE_MS,
};

/** A key without history. */
export const NO_FAILURES: FailureRecord = {
  failures: 0,
  recent: [],
  level: 0,
  cleanSince: null,
  failedProbes: 0,
  standing: { kind: "free" },
};

/** How long a model of this level stays out: 15 min × 2^(level − 1), at most 24 h, in milliseconds. */
export function stayMs(level: number, numbers: QuarantineNumbers): number {
  // Beyond 16 doublings the cap has long been reached; the bound keeps the power finite.
  const doublings = Math.min(Math.max(level - 1, 0), 16);
  return Math.min(numbers.firstStayMs * 2 ** doublings, numbers.longestStayMs);
}

/** The record with no time further ahead than it can be: a clock set back must not lengthen a stay, a lease or a proof. */
export function withinReach(record: FailureRecord, now: EpochMs, numbers: QuarantineNumbers): FailureRecord {
  return {
    ...record,
    recent: record.recent.map((at) => Math.min(at, now)).filter((at) => now - at < numbers.slowFlapMs),
    cleanSince: record.cleanSince === null ? null : Math.min(record.cleanSince, now),
    standing: standingWithinReach(record, now, numbers),
  };
}

function standingWithinReach(
  { standing, level }: FailureRecord,
  now: EpochMs,
  numbers: QuarantineNumbers,
): Standing {
  switch (standing.kind) {
    case "free":
      return standing;
    case "quarantined":
      return standing.until === null
        ? standing
        : { ...standing, until: Math.min(standing.until, now + stayMs(level, numbers)) };
    case "half-open":
      return { ...standing, leaseUntil: Math.min(standing.leaseUntil, now + numbers.leaseMs) };
    case "probation":
      return standing.since === null ? standing : { ...standing, since: Math.min(standing.since, now) };
    default:
      return standing satisfies never;
  }
}

/** The record with its level lowered for every whole clean day. */
export function withLevelDecayed(
  record: FailureRecord,
  now: EpochMs,
  numbers: QuarantineNumbers,
): FailureRecord {
  if (record.cleanSince === null) return record;
  const days = Math.floor((now - record.cleanSince) / numbers.levelDecayMs);
  if (days <= 0) return record;
  const level = Math.max(0, record.level - days);
  const cleanSince = level === 0 ? null : record.cleanSince + days * numbers.levelDecayMs;
  return { ...record, level, cleanSince };
}
