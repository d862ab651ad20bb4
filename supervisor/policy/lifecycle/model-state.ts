import type { ReadinessReason } from "../../../shared/readiness.ts";
import { type EpochMs, type FailureRecord, NO_FAILURES, type QuarantineNumbers } from "./failure-record.ts";

/*
 *            load asked            checks pass             permit            loaded           canary passed
 *   unloaded ─────────> checking ─────────────> admitted ───────> loading ─────────> canary ─────────────> routable
 *      ^  ^              │  │                       ^                │                  │                  │   │
 *      │  │ refused, for │  │                       │        counted failure, wanted    │                  │   │ unload asked
 *      │  │ now          │  │                       └────────────────┴──────────────────┴──────────────────┘   v
 *      │  └──────────────┘  │ refused, as a verdict           │ not wanted; environment                     draining
 *      │                    v on the model                    │                                                │
 *      │               quarantined <── deterministic error ───┤                                                │
 *      └──────────────────────────────────────────────────────┴────────────────────────────────────────────────┘
 *   quarantined by a verdict  ── an operator asks to load ──> checking;  the files change ──> unloaded
 *   quarantined by failures   ── its time has passed and somebody asks, or an operator releases it ──> checking
 *   admitted ── its turn comes, and its files are others than were looked at ──> checking
 *   any state ── 3rd failure in a row, or an operator's word ──> quarantined
 */

/** Names one worker process of this model; a message that carries another number changes nothing. */
export type WorkerNumber = number;

/** Milliseconds of the supervisor's monotonic clock. */
export type Milliseconds = number;

/** What only an operator can say to go past. */
export interface Overrides {
  /** The runtime's blocklist and refusing advisories. */
  readonly unsupportedRuntime: boolean;
  /** The service's safe mode. */
  readonly safeMode: boolean;
}

export const NO_OVERRIDES: Overrides = { unsupportedRuntime: false, safeMode: false };

/** Where the model is now; each state carries only its own data. */
export type ModelState =
  | { readonly kind: "unloaded"; readonly reason: ReadinessReason | null }
  /** Files, architecture, runtime and memory are looked at; no worker serves this model yet. */
  | { readonly kind: "checking"; readonly attempt: number }
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
  | {
      readonly kind: "quarantined";
      readonly reason: ReadinessReason;
      /** A verdict on its files stands until they change; failures until their time has passed, or an operator's word. */
      readonly by: "verdict" | "failures";
    };

/** A model's state and what is remembered across states. */
export interface Model {
  readonly state: ModelState;
  /** What is remembered of its failures; outlives the process. */
  readonly record: FailureRecord;
  /** Routable before or loaded at start: it is brought back after a failure. */
  readonly wanted: boolean;
  /** Deaths in a row that nothing was held against it for, such as another process's; they too slow the restarts down. */
  readonly uncounted: number;
  /** The worker that is still dying: no second one starts before it is gone. */
  readonly leaving: WorkerNumber | null;
  /** Number of the last worker that was started. */
  readonly lastWorker: WorkerNumber;
  /** Number of the last admission check that was begun; the answer to an older one changes nothing. */
  readonly lastCheck: number;
  /** What that check was let past; a second look, at files that have changed since, is let past the same. */
  readonly overrides: Overrides;
}

/**
 * Why a load was refused or a worker failed. The class decides what happens, the reason is what people read.
 * `deterministic` is a verdict on the model, `environment` says nothing about it: no memory now, a broken runtime.
 */
export interface Failure {
  readonly class: "crash" | "resource" | "deterministic" | "environment";
  readonly reason: ReadinessReason;
  /** False: nothing is held against the model; another process is to blame, or the same request was counted already. */
  readonly counts?: boolean;
  /** Checks and numbers, for who asked. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export type ModelEvent =
  | {
      readonly kind: "load-asked";
      readonly by: "operator" | "auto-load" | "request";
      readonly overrides?: Overrides;
    }
  | { readonly kind: "admission-passed"; readonly attempt: number }
  | { readonly kind: "admission-refused"; readonly attempt: number; readonly failure: Failure }
  /** `comesBack`: a load follows, and what it was wanted for stays. */
  | { readonly kind: "unload-asked"; readonly comesBack?: boolean }
  /** Nobody has asked this worker for anything for a while. */
  | { readonly kind: "idle"; readonly worker: WorkerNumber }
  /** Operators' words. */
  | { readonly kind: "release-asked"; readonly reason?: ReadinessReason }
  | { readonly kind: "quarantine-asked"; readonly reason: string }
  /** Other weights, config or runtime: what is remembered of the new key. */
  | { readonly kind: "key-changed"; readonly record: FailureRecord }
  /** `filesChanged`: since they were looked at, so that nobody has admitted what would be loaded now. */
  | { readonly kind: "permit-granted"; readonly filesChanged?: boolean }
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
  /** A request was answered to its end. */
  | { readonly kind: "finished"; readonly worker: WorkerNumber }
  /** It has served for a while since it was last said. */
  | {
      readonly kind: "steady";
      readonly worker: WorkerNumber;
      readonly routableMs: Milliseconds;
      readonly finishedRequests: number;
    };

/** What the host must do; performed in order, after the new state stands. */
export type Effect =
  | { readonly kind: "check-admission"; readonly attempt: number; readonly overrides: Overrides }
  | { readonly kind: "ask-permit" }
  | { readonly kind: "return-permit" }
  | { readonly kind: "start-worker"; readonly worker: WorkerNumber }
  | { readonly kind: "run-canary"; readonly worker: WorkerNumber }
  | { readonly kind: "drain-worker"; readonly worker: WorkerNumber }
  | { readonly kind: "end-worker"; readonly worker: WorkerNumber; readonly how: "orderly" | "kill" }
  | { readonly kind: "retry-at"; readonly at: Milliseconds }
  | { readonly kind: "record"; readonly outcome: "pass" | "fail"; readonly reason: ReadinessReason | null }
  | { readonly kind: "report-failure"; readonly failure: Failure }
  /** Its failure record has changed: write it down, a quarantine before anybody is told of it. */
  | { readonly kind: "save-record" }
  | { readonly kind: "wake-waiters" };

export interface Decision {
  readonly model: Model;
  readonly effects: readonly Effect[];
}

/** Facts the decision may depend on, passed in so that it stays a pure function. */
export interface Moment {
  readonly now: Milliseconds;
  /** Milliseconds since the epoch, for what outlives the process. */
  readonly wallNow: EpochMs;
  readonly numbers: QuarantineNumbers;
  /** 0 ≤ random < 1, for the jitter of the restart delay. */
  readonly random: number;
}

export const NEW_MODEL: Model = {
  state: { kind: "unloaded", reason: null },
  record: NO_FAILURES,
  wanted: false,
  uncounted: 0,
  leaving: null,
  lastWorker: 0,
  lastCheck: 0,
  overrides: NO_OVERRIDES,
};

/** The worker the model's state belongs to, if it has one. */
export function currentWorker(state: ModelState): WorkerNumber | null {
  return "worker" in state ? state.worker : null;
}

/** A model that has, or is about to have, a worker process keeps its memory reserved. */
export function holdsMemory({ state, leaving }: Model): boolean {
  return leaving !== null || (state.kind !== "unloaded" && state.kind !== "quarantined");
}
