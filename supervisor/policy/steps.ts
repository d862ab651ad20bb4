import type { ReadinessReason } from "../../shared/readiness.ts";
import type { Decision, Effect, Milliseconds, Model, ModelState } from "./model-state.ts";

/** The event does not apply. */
export function same(model: Model): Decision {
  return { model, effects: [] };
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
