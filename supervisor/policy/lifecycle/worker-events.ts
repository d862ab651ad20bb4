import type { ReadinessReason } from "../../../shared/readiness.ts";
import type { EpochMs, FailureRecord } from "./failure-record.ts";
import {
  currentWorker,
  type Decision,
  type Effect,
  type Failure,
  type Model,
  type ModelEvent,
  type ModelState,
  type Moment,
  type WorkerNumber,
} from "./model-state.ts";
import { becameRoutable, countFailure, endedWithoutBlame, finishedRequest, forgive } from "./quarantine.ts";
import { catchUp } from "./quarantine-step.ts";
import { restartDelayMs } from "./restart-delay.ts";
import { admit, rest, same } from "./steps.ts";

/**
 * The lease is for who reads the record later. While the worker lives, caps that know of sleep and of a clock that was
 * set end the try, and a try that went well has not failed.
 */
function withinLease(record: FailureRecord, wallNow: EpochMs): FailureRecord {
  const { standing } = record;
  if (standing.kind !== "half-open" || wallNow < standing.leaseUntil) return record;
  return { ...record, standing: { ...standing, leaseUntil: wallNow + 1 } };
}

/** The record of a model whose worker ended without blame. */
export function blameless({ record }: Model, { wallNow, numbers }: Moment): FailureRecord {
  return endedWithoutBlame(withinLease(record, wallNow), wallNow, numbers).record;
}

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

export function onCanaryPassed(model: Model, worker: WorkerNumber, { wallNow, numbers }: Moment): Decision {
  if (model.state.kind !== "canary" || model.state.worker !== worker) return same(model);
  // A load success forgives nothing: a model that loads and then crashes would never be caught.
  const { record } = becameRoutable(withinLease(model.record, wallNow), wallNow, numbers);
  return {
    model: { ...model, record, wanted: true, state: { kind: "routable", worker } },
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
    const left = afterDraining(model, moment);
    return { model: { ...left, leaving: worker }, effects: [end] };
  }
  const next = afterFailure({ ...model, leaving: worker }, failure, moment);
  return { model: next.model, effects: [end, ...next.effects] };
}

export function onExited(model: Model, worker: WorkerNumber, failure: Failure, moment: Moment): Decision {
  if (model.leaving === worker) return onLeft({ ...model, leaving: null }, moment);
  if (currentWorker(model.state) !== worker) return same(model);
  if (model.state.kind === "draining")
    return { model: afterDraining(model, moment), effects: [{ kind: "wake-waiters" }] };
  return afterFailure(model, failure, moment);
}

/** Asked to leave, so however it went it is not a failure. */
function afterDraining(model: Model, moment: Moment): Model {
  const record = blameless(model, moment);
  return { ...model, record, state: rest(record, null) };
}

/** The dying worker is gone: what waited for that may go on. */
function onLeft(model: Model, { now }: Moment): Decision {
  if (model.state.kind === "admitted" && model.state.permit === "none") {
    const admitted = admit(model, model.state.reason, model.state.notBefore, now);
    return { model: admitted.model, effects: [...admitted.effects, { kind: "wake-waiters" }] };
  }
  return { model, effects: [{ kind: "wake-waiters" }] };
}

export function onDrained(model: Model, worker: WorkerNumber): Decision {
  const end: Effect = { kind: "end-worker", worker, how: "orderly" };
  // Quarantined while it served: it was left to finish what ran.
  if (model.leaving === worker) return { model, effects: [end] };
  if (model.state.kind !== "draining" || model.state.worker !== worker) return same(model);
  return { model: { ...model, state: rest(model.record, null), leaving: worker }, effects: [end] };
}

export function onFinished(model: Model, worker: WorkerNumber, { wallNow, numbers }: Moment): Decision {
  if (!isRoutableWith(model, worker)) return same(model);
  return remembered(model, finishedRequest(model.record, wallNow, numbers).record);
}

/** A quiet while with work done: one failure is forgiven, and probation may have been long enough. */
export function onSteady(
  model: Model,
  { worker, routableMs, finishedRequests }: Extract<ModelEvent, { kind: "steady" }>,
  { wallNow, numbers }: Moment,
): Decision {
  if (!isRoutableWith(model, worker)) return same(model);
  const { record } = catchUp(model.record, wallNow, numbers);
  return remembered(
    { ...model, uncounted: 0 },
    forgive(record, { routableMs, finishedRequests }, wallNow, numbers).record,
  );
}

/** The same state with another record; whoever waits for the end of probation is woken. */
function remembered(model: Model, record: FailureRecord): Decision {
  const isFreed = model.record.standing.kind === "probation" && record.standing.kind === "free";
  return { model: { ...model, record }, effects: isFreed ? [{ kind: "wake-waiters" }] : [] };
}

/** Where a model goes that was refused, or whose worker is lost. */
export function afterFailure(model: Model, failure: Failure, moment: Moment): Decision {
  const loading = model.state.kind === "loading" || model.state.kind === "canary";
  const row: Effect = { kind: "record", outcome: "fail", reason: failure.reason };
  // An environment failure says nothing about the model, a death after the canary nothing about compatibility.
  const judged = loading || model.state.kind === "checking";
  const recorded = judged && failure.class !== "environment" ? [row] : [];
  const returned: Effect[] = loading ? [{ kind: "return-permit" }] : [];
  const next = nextAfter(model, failure, moment);
  const report: Effect = { kind: "report-failure", failure };
  return {
    model: next.model,
    effects: [report, ...recorded, ...returned, ...next.effects, { kind: "wake-waiters" }],
  };
}

function nextAfter(model: Model, failure: Failure, moment: Moment): Decision {
  const { now, wallNow, random, numbers } = moment;
  switch (failure.class) {
    case "deterministic":
      return same({
        ...model,
        record: blameless(model, moment),
        state: { kind: "quarantined", by: "verdict", reason: failure.reason },
      });
    case "environment": {
      const record = blameless(model, moment);
      return same({ ...model, record, state: restAfterRefusal(record, failure.reason) });
    }
    case "crash":
    case "resource": {
      const record =
        failure.counts === false
          ? blameless(model, moment)
          : countFailure(model.record, failure.reason, wallNow, numbers).record;
      const uncounted = failure.counts === false ? model.uncounted + 1 : 0;
      const counted: Model = { ...model, record, uncounted };
      if (record.standing.kind === "quarantined" || !model.wanted)
        return same({ ...counted, state: rest(record, failure.reason) });
      const delay = restartDelayMs(Math.max(1, record.failures, uncounted), random);
      return admit(counted, failure.reason, now + delay, now);
    }
    default:
      return failure.class satisfies never;
  }
}

/** A model its failures keep out says as well why its try has not come to anything. */
function restAfterRefusal(record: FailureRecord, refusal: ReadinessReason): ModelState {
  const state = rest(record, refusal);
  if (state.kind !== "quarantined") return state;
  const message = `${state.reason.message}; its last try was refused: ${refusal.message}`;
  return { ...state, reason: { ...state.reason, message } };
}
