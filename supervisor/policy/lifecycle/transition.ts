import {
  type Decision,
  type Effect,
  type Model,
  type ModelEvent,
  type ModelState,
  type Moment,
  NO_OVERRIDES,
  type Overrides,
} from "./model-state.ts";
import { mayStart, quarantineByOperator, release, startProbe } from "./quarantine.ts";
import { admit, check, isWorthSaving, rest, same } from "./steps.ts";
import {
  afterFailure,
  blameless,
  isRoutableWith,
  onCanaryPassed,
  onDrained,
  onExited,
  onFailed,
  onFinished,
  onLoaded,
  onSteady,
} from "./worker-events.ts";

/**
 * The next state of a model and what to do about it. Every state answers every event; an event that does not
 * apply, or that comes from a worker that is no longer the model's, returns the same model and no effects.
 */
export function transition(model: Model, event: ModelEvent, moment: Moment): Decision {
  const decision = react(model, event, moment);
  // Of another key the record was just read.
  if (event.kind === "key-changed" || !isWorthSaving(model.record, decision.model.record)) return decision;
  return { model: decision.model, effects: [{ kind: "save-record" }, ...decision.effects] };
}

function react(model: Model, event: ModelEvent, moment: Moment): Decision {
  switch (event.kind) {
    case "load-asked":
      return onLoadAsked(model, event, moment);
    case "admission-passed":
      return isChecking(model, event.attempt) ? admit(model, null, moment.now, moment.now) : same(model);
    case "admission-refused":
      return isChecking(model, event.attempt) ? afterFailure(model, event.failure, moment) : same(model);
    case "unload-asked":
      return onUnloadAsked(event.comesBack === true ? model : { ...model, wanted: false }, moment);
    case "idle":
      return isRoutableWith(model, event.worker)
        ? onUnloadAsked({ ...model, wanted: false }, moment)
        : same(model);
    case "release-asked":
      return onReleaseAsked(model, moment);
    case "quarantine-asked":
      return onQuarantineAsked(model, event.reason, moment);
    case "key-changed":
      return onKeyChanged(model, event, moment);
    case "permit-granted":
      return onPermitGranted(model, event.filesChanged === true, moment);
    case "retry-due":
      return onRetryDue(model, moment);
    case "loaded":
      return onLoaded(model, event.worker);
    case "canary-passed":
      return onCanaryPassed(model, event.worker, moment);
    case "failed":
      return onFailed(model, event, moment);
    case "drained":
      return onDrained(model, event.worker);
    case "exited":
      return onExited(model, event.worker, event.failure, moment);
    case "finished":
      return onFinished(model, event.worker, moment);
    case "steady":
      return onSteady(model, event, moment);
    default:
      return event satisfies never;
  }
}

function isChecking({ state }: Model, attempt: number): boolean {
  return state.kind === "checking" && state.attempt === attempt;
}

function onLoadAsked(
  model: Model,
  { by, overrides = NO_OVERRIDES }: Extract<ModelEvent, { kind: "load-asked" }>,
  { now, wallNow, numbers }: Moment,
): Decision {
  const asked: Model = { ...model, wanted: model.wanted || by === "auto-load" };
  switch (model.state.kind) {
    case "unloaded":
      return check(asked, overrides);
    case "quarantined": {
      // A verdict on its files: only the operator's word is worth a second look at them.
      const maySee =
        model.state.by === "verdict"
          ? by === "operator"
          : mayStart(model.record, wallNow, numbers).kind === "probe";
      return maySee ? check(asked, overrides) : same(model);
    }
    case "checking":
      return goesFurther(overrides, model.overrides) ? check(asked, overrides) : same(model);
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

function goesFurther(wanted: Overrides, had: Overrides): boolean {
  return (wanted.unsupportedRuntime && !had.unsupportedRuntime) || (wanted.safeMode && !had.safeMode);
}

function onUnloadAsked(model: Model, moment: Moment): Decision {
  switch (model.state.kind) {
    case "unloaded":
    case "draining":
    // A quarantine stays: unloading does not make a broken model sound.
    case "quarantined":
      return same(model);
    case "checking":
    case "admitted":
    case "loading":
    case "canary":
      return cancelled(model, moment);
    case "routable":
      return {
        model: { ...model, state: { kind: "draining", worker: model.state.worker } },
        effects: [{ kind: "drain-worker", worker: model.state.worker }],
      };
    default:
      return model.state satisfies never;
  }
}

/** A load that nobody wants any more; nothing is held against the model. */
function cancelled(model: Model, moment: Moment): Decision {
  const record = blameless(model, moment);
  return {
    model: {
      ...model,
      record,
      state: rest(record, null),
      leaving: startedWorker(model.state) ?? model.leaving,
    },
    effects: [...stopStarting(model.state), { kind: "wake-waiters" }],
  };
}

function startedWorker(state: ModelState): number | null {
  return state.kind === "loading" || state.kind === "canary" ? state.worker : null;
}

/** Ends what a load has begun. */
function stopStarting(state: ModelState): Effect[] {
  const worker = startedWorker(state);
  if (worker !== null) return [{ kind: "end-worker", worker, how: "orderly" }, { kind: "return-permit" }];
  return state.kind === "admitted" && state.permit === "asked" ? [{ kind: "return-permit" }] : [];
}

/** Tried once, at once and alone. */
function onReleaseAsked(model: Model, { wallNow, numbers }: Moment): Decision {
  if (model.state.kind !== "quarantined") return same(model);
  const { record } = release(model.record, wallNow, numbers);
  return check({ ...model, record }, NO_OVERRIDES);
}

function onQuarantineAsked(model: Model, reason: string, { wallNow, numbers }: Moment): Decision {
  const { record } = quarantineByOperator(model.record, reason, wallNow, numbers);
  const { state } = model;
  const serving = state.kind === "routable" || state.kind === "draining" ? state.worker : null;
  const drain: Effect[] = state.kind === "routable" ? [{ kind: "drain-worker", worker: state.worker }] : [];
  return {
    model: {
      ...model,
      record,
      wanted: false,
      state: rest(record, null),
      leaving: serving ?? startedWorker(state) ?? model.leaving,
    },
    effects: [...drain, ...stopStarting(state), { kind: "wake-waiters" }],
  };
}

/** A live worker keeps serving what it loaded; the host says it again when it has none. */
function onKeyChanged(
  model: Model,
  { record }: Extract<ModelEvent, { kind: "key-changed" }>,
  { wallNow, numbers }: Moment,
): Decision {
  switch (model.state.kind) {
    case "unloaded":
    case "quarantined":
      return { model: { ...model, state: rest(record, null), record }, effects: [{ kind: "wake-waiters" }] };
    case "checking":
      // Asked for before the runtime, and with it the key, was known.
      if (mayStart(record, wallNow, numbers).kind !== "no") return same({ ...model, record });
      return { model: { ...model, state: rest(record, null), record }, effects: [{ kind: "wake-waiters" }] };
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

function onPermitGranted(model: Model, filesChanged: boolean, { wallNow, numbers }: Moment): Decision {
  if (model.state.kind !== "admitted" || model.state.permit !== "asked") {
    // Unloaded while it waited in the queue.
    return { model, effects: [{ kind: "return-permit" }] };
  }
  if (filesChanged) {
    const again = check(model, model.overrides);
    return { model: again.model, effects: [{ kind: "return-permit" }, ...again.effects] };
  }
  const worker = model.lastWorker + 1;
  // Only now: waiting for the permit must not use up the time of the one try.
  const { record } = startProbe(model.record, wallNow, numbers);
  return {
    model: { ...model, record, lastWorker: worker, state: { kind: "loading", worker } },
    effects: [{ kind: "start-worker", worker }],
  };
}

function onRetryDue(model: Model, { now }: Moment): Decision {
  if (model.state.kind !== "admitted" || model.state.permit === "asked") return same(model);
  return admit(model, model.state.reason, model.state.notBefore, now);
}
