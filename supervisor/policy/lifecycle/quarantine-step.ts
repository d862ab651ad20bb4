import {
  type EpochMs,
  type FailureRecord,
  QUARANTINE_DEFAULTS,
  type Quarantined,
  type QuarantineNumbers,
  type QuarantineRule,
  stayMs,
  withinReach,
  withLevelDecayed,
} from "./failure-record.ts";

/** The record to keep, and what happened to it, in order. An equal record and no events: nothing changed. */
export interface QuarantineOutcome {
  readonly record: FailureRecord;
  readonly events: readonly QuarantineEvent[];
}

export type QuarantineEvent =
  | {
      readonly kind: "quarantined";
      readonly rule: QuarantineRule;
      readonly cause: string;
      readonly level: number;
      readonly until: EpochMs | null;
    }
  | { readonly kind: "probe-started"; readonly leaseUntil: EpochMs }
  /** The try ended without saying anything about the model: the next asker may try again. */
  | { readonly kind: "probe-abandoned" }
  | { readonly kind: "probation-began" }
  | { readonly kind: "probation-passed" }
  | { readonly kind: "forgiven"; readonly failures: number }
  | { readonly kind: "released" };

/** What time alone has changed: a lease ran out, probation was long enough, the level sank. */
export function catchUp(
  record: FailureRecord,
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  const current = withLevelDecayed(withinReach(record, now, numbers), now, numbers);
  const { standing } = current;
  if (standing.kind === "half-open" && now >= standing.leaseUntil) {
    return fail(current, "lease_expired", now, numbers);
  }
  if (standing.kind === "probation" && isProven(standing, now, numbers)) {
    return {
      record: { ...current, failures: 0, failedProbes: 0, standing: { kind: "free" } },
      events: [{ kind: "probation-passed" }],
    };
  }
  return unchanged(current);
}

/** Changes a record after catching up with the time that has passed. */
export function step(
  record: FailureRecord,
  now: EpochMs,
  numbers: QuarantineNumbers,
  change: (current: FailureRecord) => QuarantineOutcome,
): QuarantineOutcome {
  const before = catchUp(record, now, numbers);
  const after = change(before.record);
  return { record: after.record, events: [...before.events, ...after.events] };
}

export function unchanged(record: FailureRecord): QuarantineOutcome {
  return { record, events: [] };
}

function isProven(
  { since, finished }: { readonly since: EpochMs | null; readonly finished: number },
  now: EpochMs,
  numbers: QuarantineNumbers,
): boolean {
  return since !== null && finished >= numbers.probationRequests && now - since >= numbers.probationMs;
}

/** Counts a failure and quarantines when a rule is broken. */
export function fail(
  record: FailureRecord,
  cause: string,
  now: EpochMs,
  numbers: QuarantineNumbers,
): QuarantineOutcome {
  const recent = [...record.recent, now].slice(-numbers.slowFlapFailures);
  const counted = { ...record, failures: record.failures + 1, recent };
  const rule = brokenRule(counted, numbers);
  if (rule === null) return unchanged({ ...counted, cleanSince: counted.level === 0 ? null : now });
  const level = counted.level + 1;
  const failedProbes = counted.failedProbes + (rule === "probe-failed" ? 1 : 0);
  const until = failedProbes >= numbers.probesUntilOperator ? null : now + stayMs(level, numbers);
  return keptOut(
    { ...counted, level, cleanSince: null, failedProbes },
    { kind: "quarantined", until, rule, cause },
  );
}

export function keptOut(record: FailureRecord, standing: Quarantined): QuarantineOutcome {
  const { rule, cause, until } = standing;
  return {
    record: { ...record, standing },
    events: [{ kind: "quarantined", rule, cause, until, level: record.level }],
  };
}

function brokenRule(
  { failures, recent, standing }: FailureRecord,
  numbers: QuarantineNumbers,
): QuarantineRule | null {
  if (standing.kind === "half-open") return "probe-failed";
  if (standing.kind === "probation") return "probation";
  if (failures >= numbers.threshold) return "threshold";
  return recent.length >= numbers.slowFlapFailures ? "slow-flap" : null;
}
