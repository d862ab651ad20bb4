import {
  currentWorker,
  type Decision,
  type Effect,
  type Failure,
  type Model,
  type ModelEvent,
  type Moment,
  type WorkerNumber,
} from "./model-state.ts";
import { restartDelayMs } from "./restart-delay.ts";
import { admit, same } from "./steps.ts";

export function isRoutableWith({ state }: Model, worker: WorkerNumber): boolean {
  return state.kind === "routable" && state.worker === worker;
}

export function onLoaded(model: Model, worker: WorkerNumber): Decision {
  if (model.state.kind !== "loading" || model.state.worker !== worker) return same(model);
  return {
    model: { ...model, state: { kind: "canary", worker } },
    effects: [{ kind: "run-canary", worker }],
  };
}

export function onCanaryPassed(model: Model, worker: WorkerNumber): Decision {
  if (model.state.kind !== "canary" || model.state.worker !== worker) return same(model);
  return {
    // A load success forgives nothing: a model that loads and then crashes would never be caught.
    model: { ...model, wanted: true, state: { kind: "routable", worker } },
    effects: [
      { kind: "record", outcome: "pass", reason: null },
      { kind: "return-permit" },
      { kind: "wake-waiters" },
    ],
  };
}

/** A refused or stalled load, a failed canary, a fatal report. */
export function onFailed(
  model: Model,
  event: Extract<ModelEvent, { kind: "failed" }>,
  moment: Moment,
): Decision {
  const { worker, failure, hung } = event;
  if (currentWorker(model.state) !== worker) return same(model);
  const end: Effect = { kind: "end-worker", worker, how: hung ? "kill" : "orderly" };
  if (model.state.kind === "draining") {
    return {
      model: { ...model, state: { kind: "unloaded", reason: null }, leaving: worker },
      effects: [end],
    };
  }
  const next = afterFailure({ ...model, leaving: worker }, failure, moment);
  return { model: next.model, effects: [end, ...next.effects] };
}

export function onExited(model: Model, worker: WorkerNumber, failure: Failure, moment: Moment): Decision {
  if (model.leaving === worker) return onLeft({ ...model, leaving: null }, moment);
  if (currentWorker(model.state) !== worker) return same(model);
  if (model.state.kind === "draining") {
    // Asked to leave, so however it went it is not a failure.
    return {
      model: { ...model, state: { kind: "unloaded", reason: null } },
      effects: [{ kind: "wake-waiters" }],
    };
  }
  return afterFailure(model, failure, moment);
}

/** The dying worker is gone: what waited for that may go on. */
function onLeft(model: Model, { now }: Moment): Decision {
  if (model.state.kind === "admitted" && model.state.permit === "none") {
    return admit(model, model.state.reason, model.state.notBefore, now);
  }
  return { model, effects: [{ kind: "wake-waiters" }] };
}

export function onDrained(model: Model, worker: WorkerNumber): Decision {
  if (model.state.kind !== "draining" || model.state.worker !== worker) return same(model);
  return {
    model: { ...model, state: { kind: "unloaded", reason: null }, leaving: worker },
    effects: [{ kind: "end-worker", worker, how: "orderly" }],
  };
}

/** Ten quiet minutes with work done: one failure is forgiven. */
export function onSteady(model: Model, worker: WorkerNumber): Decision {
  if (!isRoutableWith(model, worker) || model.failures === 0) return same(model);
  return { model: { ...model, failures: model.failures - 1 }, effects: [] };
}

/** Where a model goes when its worker is lost. Counting towards quarantine has its place here. */
export function afterFailure(model: Model, failure: Failure, { now, random }: Moment): Decision {
  const loading = model.state.kind === "loading" || model.state.kind === "canary";
  const record: Effect = { kind: "record", outcome: "fail", reason: failure.reason };
  // An environment failure says nothing about the model, a death after the canary nothing about compatibility.
  const judged = loading || model.state.kind === "checking";
  const recorded = judged && failure.class !== "environment" ? [record] : [];
  const returned: Effect[] = loading ? [{ kind: "return-permit" }] : [];
  const before: Effect[] = [{ kind: "report-failure", failure }, ...recorded, ...returned];
  const wake: Effect = { kind: "wake-waiters" };
  switch (failure.class) {
    case "deterministic":
      return {
        model: { ...model, state: { kind: "quarantined", reason: failure.reason } },
        effects: [...before, wake],
      };
    case "environment":
      return {
        model: { ...model, state: { kind: "unloaded", reason: failure.reason } },
        effects: [...before, wake],
      };
    case "crash":
    case "resource": {
      const counted: Model = { ...model, failures: model.failures + 1 };
      if (!model.wanted) {
        return {
          model: { ...counted, state: { kind: "unloaded", reason: failure.reason } },
          effects: [...before, wake],
        };
      }
      const notBefore = now + restartDelayMs(counted.failures, random);
      const next = admit(counted, failure.reason, notBefore, now);
      return { model: next.model, effects: [...before, ...next.effects, wake] };
    }
    default:
      return failure.class satisfies never;
  }
}
