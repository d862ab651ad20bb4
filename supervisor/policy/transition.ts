import type { Decision, Effect, Model, ModelEvent, ModelState, Moment } from "./model-state.ts";
import { admit, same } from "./steps.ts";
import {
  afterFailure,
  isRoutableWith,
  onCanaryPassed,
  onDrained,
  onExited,
  onFailed,
  onLoaded,
  onSteady,
} from "./worker-events.ts";

/**
 * The next state of a model and what to do about it. Every state answers every event; an event that does not
 * apply, or that comes from a worker that is no longer the model's, returns the same model and no effects.
 */
export function transition(model: Model, event: ModelEvent, moment: Moment): Decision {
  switch (event.kind) {
    case "load-asked":
      return onLoadAsked(model, event, moment);
    case "admission-passed":
      return isChecking(model, event.attempt) ? admit(model, null, moment.now, moment.now) : same(model);
    case "admission-refused":
      return isChecking(model, event.attempt) ? afterFailure(model, event.failure, moment) : same(model);
    case "unload-asked":
      return onUnloadAsked(model);
    case "idle":
      return isRoutableWith(model, event.worker) ? onUnloadAsked(model) : same(model);
    case "key-changed":
      return onKeyChanged(model);
    case "permit-granted":
      return onPermitGranted(model);
    case "retry-due":
      return onRetryDue(model, moment);
    case "loaded":
      return onLoaded(model, event.worker);
    case "canary-passed":
      return onCanaryPassed(model, event.worker);
    case "failed":
      return onFailed(model, event, moment);
    case "drained":
      return onDrained(model, event.worker);
    case "exited":
      return onExited(model, event.worker, event.failure, moment);
    case "steady":
      return onSteady(model, event.worker);
    default:
      return event satisfies never;
  }
}

function isChecking({ state }: Model, attempt: number): boolean {
  return state.kind === "checking" && state.attempt === attempt;
}

function onLoadAsked(
  model: Model,
  { by, override = false }: Extract<ModelEvent, { kind: "load-asked" }>,
  { now }: Moment,
): Decision {
  const wanted = model.wanted || by === "auto-load";
  switch (model.state.kind) {
    case "unloaded":
      return check({ ...model, wanted }, override);
    case "quarantined":
      // A verdict on the model's files: only the operator's word is worth a second look at them.
      return by === "operator" ? check({ ...model, wanted }, override) : same(model);
    case "admitted":
      // An operator does not wait out the restart delay.
      return by === "operator" && model.state.permit === "none"
        ? admit(model, model.state.reason, now, now)
        : same(model);
    case "checking":
      return override && !model.state.override ? check({ ...model, wanted }, override) : same(model);
    case "loading":
    case "canary":
    case "routable":
    case "draining":
      return same(model);
    default:
      return model.state satisfies never;
  }
}

function check(model: Model, override: boolean): Decision {
  const attempt = model.lastCheck + 1;
  return {
    model: { ...model, lastCheck: attempt, state: { kind: "checking", attempt, override } },
    effects: [{ kind: "check-admission", attempt, override }],
  };
}

function onUnloadAsked(model: Model): Decision {
  const unwanted: Model = { ...model, wanted: false };
  const gone: ModelState = { kind: "unloaded", reason: null };
  switch (model.state.kind) {
    case "unloaded":
      return same(unwanted);
    case "quarantined":
      // The verdict stays: unloading does not make a broken model sound.
      return same(unwanted);
    case "checking":
      return { model: { ...unwanted, state: gone }, effects: [{ kind: "wake-waiters" }] };
    case "admitted": {
      const permit: Effect[] = model.state.permit === "asked" ? [{ kind: "return-permit" }] : [];
      return { model: { ...unwanted, state: gone }, effects: [...permit, { kind: "wake-waiters" }] };
    }
    case "loading":
    case "canary":
      return {
        model: { ...unwanted, state: gone, leaving: model.state.worker },
        effects: [
          { kind: "end-worker", worker: model.state.worker, how: "orderly" },
          { kind: "return-permit" },
          { kind: "wake-waiters" },
        ],
      };
    case "routable":
      return {
        model: { ...unwanted, state: { kind: "draining", worker: model.state.worker } },
        effects: [{ kind: "drain-worker", worker: model.state.worker }],
      };
    case "draining":
      return same(unwanted);
    default:
      return model.state satisfies never;
  }
}

/** Other weights, config or runtime: a new key has no history. A live worker keeps serving what it loaded. */
function onKeyChanged(model: Model): Decision {
  switch (model.state.kind) {
    case "unloaded":
    case "quarantined":
      return {
        model: { ...model, state: { kind: "unloaded", reason: null }, failures: 0 },
        effects: [{ kind: "wake-waiters" }],
      };
    case "checking":
    case "admitted":
    case "loading":
    case "canary":
    case "routable":
    case "draining":
      return same(model);
    default:
      return model.state satisfies never;
  }
}

function onPermitGranted(model: Model): Decision {
  if (model.state.kind !== "admitted" || model.state.permit !== "asked") {
    // Unloaded while it waited in the queue.
    return { model, effects: [{ kind: "return-permit" }] };
  }
  const worker = model.lastWorker + 1;
  return {
    model: { ...model, lastWorker: worker, state: { kind: "loading", worker } },
    effects: [{ kind: "start-worker", worker }],
  };
}

function onRetryDue(model: Model, { now }: Moment): Decision {
  if (model.state.kind !== "admitted" || model.state.permit === "asked") return same(model);
  return admit(model, model.state.reason, model.state.notBefore, now);
}
