import type { ReadinessReason } from "../../../shared/readiness.ts";
import type { EpochMs, FailureRecord, QuarantineNumbers } from "../lifecycle/failure-record.ts";
import type { Milliseconds, Model, WorkerNumber } from "../lifecycle/model-state.ts";
import { mayStart } from "../lifecycle/quarantine.ts";

/** What becomes of a request that asks a model to serve it. */
export type RouteDecision =
  | { readonly kind: "serve"; readonly worker: WorkerNumber }
  | { readonly kind: "hold" }
  /** Its worker leaves; start it anew then. */
  | { readonly kind: "hold-until-gone" }
  /** Start it, then hold. */
  | { readonly kind: "start" }
  | { readonly kind: "refuse-not-loaded"; readonly reason: ReadinessReason | null }
  | {
      readonly kind: "refuse-coming";
      readonly readyInMs: Milliseconds;
      readonly reason: ReadinessReason | null;
    }
  | {
      readonly kind: "refuse-quarantined";
      readonly reason: ReadinessReason;
      readonly record: FailureRecord;
    };

export interface RouteFacts {
  readonly now: Milliseconds;
  /** Milliseconds since the epoch. */
  readonly wallNow: EpochMs;
  readonly numbers: QuarantineNumbers;
  /** Until when this request may be held. */
  readonly deadline: Milliseconds;
  /** May a request start this model? */
  readonly mayStart: boolean;
  /** Its worker leaves because an operator wants another; the load follows. */
  readonly isRestarting: boolean;
}

/** Only a routable model serves; one that is coming holds its requests as long as it may still come in time. */
export function routeRequest(model: Model, facts: RouteFacts): RouteDecision {
  const { state } = model;
  switch (state.kind) {
    case "routable":
      return { kind: "serve", worker: state.worker };
    case "admitted": {
      const soonest = Math.max(state.notBefore, facts.now);
      return soonest < facts.deadline
        ? { kind: "hold" }
        : { kind: "refuse-coming", readyInMs: soonest - facts.now, reason: state.reason };
    }
    case "checking":
    case "loading":
    case "canary":
      return holdInTime("hold", facts);
    case "unloaded":
      if (facts.isRestarting) return holdForRestart(facts);
      return facts.mayStart
        ? startWhenGone(model, facts)
        : { kind: "refuse-not-loaded", reason: state.reason };
    case "draining":
      if (facts.isRestarting) return holdForRestart(facts);
      return facts.mayStart
        ? holdInTime("hold-until-gone", facts)
        : { kind: "refuse-not-loaded", reason: null };
    case "quarantined": {
      const isDue =
        state.by === "failures" && mayStart(model.record, facts.wallNow, facts.numbers).kind === "probe";
      return isDue
        ? startWhenGone(model, facts)
        : { kind: "refuse-quarantined", reason: state.reason, record: model.record };
    }
    default:
      return state satisfies never;
  }
}

/** The restart may be taken back: then a request that may start the model does. */
function holdForRestart(facts: RouteFacts): RouteDecision {
  return holdInTime(facts.mayStart ? "hold-until-gone" : "hold", facts);
}

/** Admitted while the old worker still holds its memory, it would be refused for want of it. */
function startWhenGone({ leaving }: Model, facts: RouteFacts): RouteDecision {
  return leaving === null ? { kind: "start" } : holdInTime("hold-until-gone", facts);
}

function holdInTime(kind: "hold" | "hold-until-gone", { now, deadline }: RouteFacts): RouteDecision {
  return now < deadline ? { kind } : { kind: "refuse-coming", readyInMs: 0, reason: null };
}
