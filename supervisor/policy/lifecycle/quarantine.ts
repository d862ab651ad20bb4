import {
  type EpochMs,
  type FailureRecord,
  QUARANTINE_DEFAULTS,
  type Quarantined,
  type Standing,
} from "./failure-record.ts";
import { catchUp, fail, keptOut, type QuarantineOutcome, step, unchanged } from "./quarantine-step.ts";

/*
 *           3 in a row, or slow flap                  until passed, start-probe
 *   free ───────────────────────────> quarantined ──────────────────────────────> half-open
 *    ^                                  ^   ^  ^     failed, lease expired           │   │
 *    │                     any failure  │   │  └──────────────────────────────────┘   │ became routable
 *    └───────────────────────────── probation <──────────────────────────────────────┘
 *        10 min and 5 requests
 */

/** May whoever asks for the model have it started? */
export type StartVerdict =
  | { readonly kind: "yes" }
  /** Once, and `startProbe` first. */
  | { readonly kind: "probe" }
  /** Somebody is trying already. */
  | { readonly kind: "probing"; readonly leaseUntil: EpochMs }
  | { readonly kind: "no"; readonly level: number; readonly quarantined: Quarantined };

/** The verdict for whoever asks for the model now. */
export function mayStart(record: FailureRecord, now: EpochMs, numbers = QUARANTINE_DEFAULTS): StartVerdict {
  const { level, standing } = catchUp(record, now, numbers).record;
  switch (standing.kind) {
    case "free":
    case "probation":
      return { kind: "yes" };
    case "half-open":
      return { kind: "probing", leaseUntil: standing.leaseUntil };
    case "quarantined":
      return standing.until !== null && now >= standing.until
        ? { kind: "probe" }
        : { kind: "no", level, quarantined: standing };
    default:
      return standing satisfies never;
  }
}

/** How many requests may run at once in a model of this standing; null: no limit from here. */
export function concurrencyLimit({ standing }: FailureRecord, numbers = QUARANTINE_DEFAULTS): number | null {
  return standing.kind === "probation" ? numbers.probationConcurrency : null;
}

/**
 * A failure that counts (crash or resource class; never an operator's exit, an environment failure or a verdict).
 * While the model is quarantined it has no worker, so a late report changes nothing.
 */
export function countFailure(
  record: FailureRecord,
  failure: { readonly cause: string },
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  return step(record, now, numbers, (current) =>
    current.standing.kind === "quarantined" ? unchanged(current) : fail(current, failure.cause, now, numbers),
  );
}

/** Starts the one try of a quarantined model whose time has come; call it when the load begins, not when it queues. */
export function startProbe(
  record: FailureRecord,
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  return step(record, now, numbers, (current) => {
    const { standing } = current;
    if (standing.kind !== "quarantined" || standing.until === null || now < standing.until) {
      return unchanged(current);
    }
    const { rule, cause } = standing;
    const leaseUntil = now + numbers.leaseMs;
    return {
      record: { ...current, standing: { kind: "half-open", leaseUntil, rule, cause } },
      events: [{ kind: "probe-started", leaseUntil }],
    };
  });
}

/** The canary passed. That alone forgives nothing: out of quarantine the model has to prove itself first. */
export function becameRoutable(
  record: FailureRecord,
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  return step(record, now, numbers, (current) => {
    const probation = { kind: "probation", since: now, finished: 0 } as const;
    switch (current.standing.kind) {
      case "half-open": {
        const cleanSince = current.level === 0 ? null : now;
        return {
          record: { ...current, cleanSince, standing: probation },
          events: [{ kind: "probation-began" }],
        };
      }
      case "probation":
        return unchanged({ ...current, standing: probation });
      case "free":
      case "quarantined":
        return unchanged(current);
      default:
        return current.standing satisfies never;
    }
  });
}

/** A request was answered to its end. */
export function finishedRequest(
  record: FailureRecord,
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  return step(record, now, numbers, (current) => {
    const { standing } = current;
    if (standing.kind !== "probation" || standing.since === null) return unchanged(current);
    const finished = standing.finished + 1;
    return catchUp({ ...current, standing: { ...standing, finished } }, now, numbers);
  });
}

/**
 * One failure less for service since the last one was forgiven, when that was long enough and did something.
 *
 * @param service.routableMs by a monotonic clock
 */
export function forgive(
  record: FailureRecord,
  service: { readonly routableMs: number; readonly finishedRequests: number },
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  return step(record, now, numbers, (current) => {
    const earned =
      service.routableMs >= numbers.forgivenessMs && service.finishedRequests >= numbers.forgivenessRequests;
    if (!earned || current.failures === 0 || current.standing.kind !== "free") return unchanged(current);
    const failures = current.failures - 1;
    return { record: { ...current, failures }, events: [{ kind: "forgiven", failures }] };
  });
}

/**
 * The worker ended and the model is not to blame: an operator's unload or stop, an environment failure. A try that
 * ended so is handed back, probation begins anew when the model is routable again. An orderly stop of the supervisor
 * calls it too, or the next start takes the open try for a failed one.
 */
export function endedWithoutBlame(
  record: FailureRecord,
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  return step(record, now, numbers, (current) => {
    const { standing } = current;
    if (standing.kind === "probation") {
      return unchanged({ ...current, standing: { kind: "probation", since: null, finished: 0 } });
    }
    if (standing.kind !== "half-open") return unchanged(current);
    const { rule, cause } = standing;
    return {
      record: { ...current, standing: { kind: "quarantined", until: now, rule, cause } },
      events: [{ kind: "probe-abandoned" }],
    };
  });
}

/** An operator lets a quarantined model try again: whoever asks next may start it once. The level stays. */
export function release(
  record: FailureRecord,
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  return step(record, now, numbers, (current) =>
    current.standing.kind === "quarantined"
      ? {
          record: { ...current, failedProbes: 0, standing: { ...current.standing, until: now } },
          events: [{ kind: "released" }],
        }
      : unchanged(current),
  );
}

/** An operator keeps the model out until the operator's next word. Nothing is counted. */
export function quarantineByOperator(
  record: FailureRecord,
  reason: string,
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  return step(record, now, numbers, (current) => {
    const standing: Quarantined = { kind: "quarantined", until: null, rule: "operator", cause: reason };
    return keptOut({ ...current, cleanSince: null }, standing);
  });
}

/** Kept out by an operator, and not released since. */
export function isOperatorsWord(standing: Standing): standing is Quarantined {
  return standing.kind === "quarantined" && standing.rule === "operator" && standing.until === null;
}

/**
 * A record read when the supervisor starts. No worker survives its supervisor, so an open try has no outcome any more:
 * it failed, as if its lease had run out — it may well be what took the supervisor or the host down.
 */
export function readAgain(
  record: FailureRecord,
  now: EpochMs,
  numbers = QUARANTINE_DEFAULTS,
): QuarantineOutcome {
  return step(record, now, numbers, (current) => {
    if (current.standing.kind === "half-open") return fail(current, "supervisor_ended", now, numbers);
    if (current.standing.kind !== "probation") return unchanged(current);
    return unchanged({ ...current, standing: { kind: "probation", since: null, finished: 0 } });
  });
}
