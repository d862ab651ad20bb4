import type { ReadinessReason } from "../../../shared/readiness.ts";
import type { FailureRecord } from "./failure-record.ts";
import type { Decision, Effect, Milliseconds, Model, ModelState, Overrides } from "./model-state.ts";

/** The event does not apply. */
export function same(model: Model): Decision {
  return { model, effects: [] };
}

/** Looks at the model before anything of it is loaded. */
export function check(model: Model, overrides: Overrides): Decision {
  const attempt = model.lastCheck + 1;
  return {
    model: { ...model, lastCheck: attempt, overrides, state: { kind: "checking", attempt } },
    effects: [{ kind: "check-admission", attempt, overrides }],
  };
}

/** Asks for a load permit unless a dying worker or the restart delay stands in the way. */
export function admit(
  model: Model,
  reason: ReadinessReason | null,
  notBefore: Milliseconds,
  now: Milliseconds,
): Decision {
  const ready = model.leaving === null && notBefore <= now;
  const state: ModelState = { kind: "admitted", reason, notBefore, permit: ready ? "asked" : "none" };
  if (ready) return { model: { ...model, state }, effects: [{ kind: "ask-permit" }] };
  const effects: Effect[] = notBefore > now ? [{ kind: "retry-at", at: notBefore }] : [];
  return { model: { ...model, state }, effects };
}

/** Where a model without a worker rests: unloaded, unless its failures keep it out. */
export function rest(record: FailureRecord, reason: ReadinessReason | null): ModelState {
  if (record.standing.kind !== "quarantined") return { kind: "unloaded", reason };
  return { kind: "quarantined", by: "failures", reason: quarantineReason(record) };
}

/** Why its failures keep a model out, in words. */
export function quarantineReason({ standing, level }: FailureRecord): ReadinessReason {
  if (standing.kind !== "quarantined")
    return { code: "model_unstable", cause: "none", message: "not quarantined" };
  const { cause, until, rule } = standing;
  const why =
    rule === "operator"
      ? `taken out of service by an operator (${cause})`
      : `${RULES[rule]} (last cause: ${cause})`;
  const end =
    until === null
      ? "until an operator releases it"
      : `until ${new Date(until).toISOString()}, level ${level}; then it is tried once when somebody asks`;
  return { code: "model_unstable", cause, message: `${why}; it stays out ${end}` };
}

const RULES = {
  threshold: "it failed several times in a row",
  "slow-flap": "it kept failing over the day",
  probation: "it failed on probation",
  "probe-failed": "its one try after a quarantine failed",
} as const;

/** Whether two records differ in anything that must survive a restart; a count within probation need not. */
export function isWorthSaving(before: FailureRecord, after: FailureRecord): boolean {
  return before !== after && text(before) !== text(after);
}

function text({ standing, ...rest }: FailureRecord): string {
  const lasting = standing.kind === "probation" ? { kind: standing.kind, since: standing.since } : standing;
  return JSON.stringify([rest, lasting]);
}
