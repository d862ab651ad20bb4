import type { ReadinessReason } from "../../shared/readiness.ts";
import { restartDelayMs } from "./restart-delay.ts";

/*
 *                 load asked            permit             loaded            canary passed
 *   unloaded ───────────────> admitted ───────> loading ─────────> canary ───────────────> routable
 *      ^  ^                      ^                 │                  │                      │   │
 *      │  │                      │                 │   counted failure, wanted               │   │ unload asked
 *      │  │                      └─────────────────┴──────────────────┴──────────────────────┘   v
 *      │  │ counted failure, not wanted; environment failure                                  draining
 *      │  └────────────────────────────────────────┴──────────────────┘                          │
 *      └─────────────────────────────────────────────────────────────────────────────────────────┘
 *   loading | canary ── verdict on the model ──> quarantined ── load asked, key changed ──> …
 */

/** Names one worker process of this model; a message that carries another number changes nothing. */
export type WorkerNumber = number;

/** Milliseconds of the supervisor's monotonic clock. */
export type Milliseconds = number;

/** Where the model is now; each state carries only its own data. */
export type ModelState =
  | { readonly kind: "unloaded"; readonly reason: ReadinessReason | null }
  | {
      readonly kind: "admitted";
      readonly reason: ReadinessReason | null;
      readonly notBefore: Milliseconds;
      readonly permit: "none" | "asked";
    }
  | { readonly kind: "loading"; readonly worker: WorkerNumber }
  | { readonly kind: "canary"; readonly worker: WorkerNumber }
  | { readonly kind: "routable"; readonly worker: WorkerNumber }
  | { readonly kind: "draining"; readonly worker: WorkerNumber }
  | { readonly kind: "quarantined"; readonly reason: ReadinessReason };

/** A model's state and what is remembered across states. */
export interface Model {
  readonly state: ModelState;
  /** Counted failures in a row; they pick the restart delay, and later the quarantine. */
  readonly failures: number;
  /** Routable before or loaded at start: it is brought back after a failure. */
  readonly wanted: boolean;
  /** The worker that is still dying: no second one starts before it is gone. */
  readonly leaving: WorkerNumber | null;
  /** Number of the last worker that was started. */
  readonly lastWorker: WorkerNumber;
}

/** Why a worker or a load failed. The class decides what happens, the reason is what people read. */
export interface Failure {
  readonly class: "crash" | "resource" | "deterministic" | "environment";
  readonly reason: ReadinessReason;
}

export type ModelEvent =
  | { readonly kind: "load-asked"; readonly by: "operator" | "auto-load" | "request" }
  | { readonly kind: "unload-asked" }
  /** Nobody has asked this worker for anything for a while. */
  | { readonly kind: "idle"; readonly worker: WorkerNumber }
  | { readonly kind: "key-changed" }
  | { readonly kind: "permit-granted" }
  | { readonly kind: "retry-due" }
  | { readonly kind: "loaded"; readonly worker: WorkerNumber }
  | { readonly kind: "canary-passed"; readonly worker: WorkerNumber }
  /** The worker lives but must not go on. Hung: it cannot be asked to leave. */
  | {
      readonly kind: "failed";
      readonly worker: WorkerNumber;
      readonly failure: Failure;
      readonly hung: boolean;
    }
  | { readonly kind: "drained"; readonly worker: WorkerNumber }
  | { readonly kind: "exited"; readonly worker: WorkerNumber; readonly failure: Failure }
  | { readonly kind: "steady"; readonly worker: WorkerNumber };

/** What the host must do; performed in order, after the new state stands. */
export type Effect =
  | { readonly kind: "ask-permit" }
  | { readonly kind: "return-permit" }
  | { readonly kind: "start-worker"; readonly worker: WorkerNumber }
  | { readonly kind: "run-canary"; readonly worker: WorkerNumber }
  | { readonly kind: "drain-worker"; readonly worker: WorkerNumber }
  | { readonly kind: "end-worker"; readonly worker: WorkerNumber; readonly how: "orderly" | "kill" }
  | { readonly kind: "retry-at"; readonly at: Milliseconds }
  | { readonly kind: "record"; readonly outcome: "pass" | "fail"; readonly reason: ReadinessReason | null }
  | { readonly kind: "report-failure"; readonly failure: Failure }
  | { readonly kind: "wake-waiters" };

export interface Decision {
  readonly model: Model;
  readonly effects: readonly Effect[];
}

/** Facts the decision may depend on, passed in so that it stays a pure function. */
export interface Moment {
  readonly now: Milliseconds;
  /** 0 ≤ random < 1, for the jitter of the restart delay. */
  readonly random: number;
}

export const NEW_MODEL: Model = {
  state: { kind: "unloaded", reason: null },
  failures: 0,
  wanted: false,
  leaving: null,
  lastWorker: 0,
};

/** The worker the model's state belongs to, if it has one. */
export function currentWorker(state: ModelState): WorkerNumber | null {
  return "worker" in state ? state.worker : null;
}

/**
 * The next state of a model and what to do about it. Every state answers every event; an event that does not
 * apply, or that comes from a worker that is no longer the model's, returns the same model and no effects.
 */
export function transition(model: Model, event: ModelEvent, moment: Moment): Decision {
  switch (event.kind) {
    case "load-asked":
      return onLoadAsked(model, event.by, moment);
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

function isRoutableWith({ state }: Model, worker: WorkerNumber): boolean {
  return state.kind === "routable" && state.worker === worker;
}

function same(model: Model): Decision {
  return { model, effects: [] };
}

/** Asks for a load permit unless a dying worker or the restart delay stands in the way. */
function admit(
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

function onLoadAsked(model: Model, by: "operator" | "auto-load" | "request", { now }: Moment): Decision {
  const wanted = model.wanted || by === "auto-load";
  switch (model.state.kind) {
    case "unloaded":
      return admit({ ...model, wanted }, null, now, now);
    case "quarantined":
      // A verdict on the model's files: only the operator's word is worth a second look at them.
      return by === "operator" ? admit({ ...model, wanted }, null, now, now) : same(model);
    case "admitted":
      // An operator does not wait out the restart delay.
      return by === "operator" && model.state.permit === "none"
        ? admit(model, model.state.reason, now, now)
        : same(model);
    case "loading":
    case "canary":
    case "routable":
    case "draining":
      return same(model);
    default:
      return model.state satisfies never;
  }
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

function onLoaded(model: Model, worker: WorkerNumber): Decision {
  if (model.state.kind !== "loading" || model.state.worker !== worker) return same(model);
  return {
    model: { ...model, state: { kind: "canary", worker } },
    effects: [{ kind: "run-canary", worker }],
  };
}

function onCanaryPassed(model: Model, worker: WorkerNumber): Decision {
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
function onFailed(model: Model, event: Extract<ModelEvent, { kind: "failed" }>, moment: Moment): Decision {
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

function onExited(model: Model, worker: WorkerNumber, failure: Failure, moment: Moment): Decision {
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

function onDrained(model: Model, worker: WorkerNumber): Decision {
  if (model.state.kind !== "draining" || model.state.worker !== worker) return same(model);
  return {
    model: { ...model, state: { kind: "unloaded", reason: null }, leaving: worker },
    effects: [{ kind: "end-worker", worker, how: "orderly" }],
  };
}

/** Ten quiet minutes with work done: one failure is forgiven. */
function onSteady(model: Model, worker: WorkerNumber): Decision {
  if (!isRoutableWith(model, worker) || model.failures === 0) return same(model);
  return { model: { ...model, failures: model.failures - 1 }, effects: [] };
}

/** Where a model goes when its worker is lost. Counting towards quarantine has its place here. */
function afterFailure(model: Model, failure: Failure, { now, random }: Moment): Decision {
  const loading = model.state.kind === "loading" || model.state.kind === "canary";
  const record: Effect = { kind: "record", outcome: "fail", reason: failure.reason };
  // An environment failure says nothing about the model, a death after the canary nothing about compatibility.
  const recorded = loading && failure.class !== "environment" ? [record] : [];
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
