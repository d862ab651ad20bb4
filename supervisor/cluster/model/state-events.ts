import type { Model, ModelEvent } from "../../policy/lifecycle/model-state.ts";
import { isOperatorsWord } from "../../policy/lifecycle/quarantine.ts";
import type { EventDraft } from "../../telemetry/event-log.ts";
import { publicDetail, publicState } from "./model-view.ts";

/** A model's step from one state to another, in public words. */
export interface StateStep {
  readonly modelId: string;
  readonly before: Model;
  readonly after: Model;
  /** What brought it about. */
  readonly event: ModelEvent["kind"];
  /** Of the model's newest dossier. */
  readonly dossierId: string | null;
}

/** What others are told of a step: the new state, and a quarantine that begins with it. */
export function stateEvents({ modelId: model, before, after, event, dossierId }: StateStep): EventDraft[] {
  const reason = "reason" in after.state ? after.state.reason : null;
  const details = {
    from: publicState(before),
    to: publicState(after),
    detail: publicDetail(after),
    event,
  };
  const step: EventDraft = { type: "state", model, reason, details };
  // An inner step that nobody sees from outside.
  const isSame = details.from === details.to && publicDetail(before) === details.detail;
  const steps = isSame && reason === null ? [] : [step];
  const isVerdict = after.state.kind === "quarantined" && after.state.by === "verdict";
  const begins = isVerdict ? before.state.kind !== "quarantined" : hasNewQuarantine(before, after);
  // What is remembered of it from an earlier run: the quarantine is not new.
  if (!begins || event === "key-changed") return steps;
  return [...steps, { type: "quarantined", model, reason, details: quarantineOf(after, dossierId) }];
}

/** Whether others have to be told of a step. */
export function isNews(before: Model, after: Model): boolean {
  return (
    before.state.kind !== after.state.kind ||
    publicDetail(before) !== publicDetail(after) ||
    hasNewQuarantine(before, after)
  );
}

/**
 * Whether its failures, or an operator, keep the model out from now on, or on other terms. A try that was handed back
 * leaves the old quarantine in force.
 */
export function hasNewQuarantine(before: Model, after: Model): boolean {
  if (after.state.kind !== "quarantined" || after.state.by !== "failures") return false;
  const isAnOperatorsNow = isOperatorsWord(after.record.standing) && !isOperatorsWord(before.record.standing);
  return isAnOperatorsNow || terms(before) !== terms(after);
}

function terms({ record: { standing, level } }: Model): string {
  return "rule" in standing ? `${standing.rule} ${level} ${standing.cause}` : "";
}

function quarantineOf({ state, record }: Model, dossierId: string | null): Readonly<Record<string, unknown>> {
  const { standing, level, failures } = record;
  const byFailures = state.kind === "quarantined" && state.by === "failures";
  if (!byFailures || standing.kind !== "quarantined")
    return { rule: "verdict", level: 0, failures, until: null, dossier_id: null };
  const until = standing.until === null ? null : new Date(standing.until).toISOString();
  return { rule: standing.rule, level, failures, until, dossier_id: dossierId };
}
