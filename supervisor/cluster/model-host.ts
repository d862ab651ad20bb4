import type { Check, LoadResult, ModelDetail, ProbeResult, UnloadResult } from "../../shared/admin.ts";
import { LmxError } from "../../shared/errors.ts";
import type { Readiness } from "../../shared/readiness.ts";
import type { CatalogueEntry } from "../models/catalogue.ts";
import { decideHold } from "../policy/hold.ts";
import {
  currentWorker,
  type Effect,
  type Failure,
  holdsMemory,
  type Model,
  type ModelEvent,
  NEW_MODEL,
} from "../policy/model-state.ts";
import { transition } from "../policy/transition.ts";
import { admissionError, loadFailure, refusal } from "./load-errors.ts";
import type { LoadPermit, LoadQueue } from "./load-queue.ts";
import type { HolderUse } from "./memory-ledger.ts";
import type { AdmissionReport, ModelAdmission } from "./model-admission.ts";
import type { ModelRecord } from "./model-record.ts";
import { capabilitiesOf, readinessOf } from "./model-view.ts";
import { type LoadEvidence, ModelWorkers, type WorkerPorts } from "./model-workers.ts";
import type { WorkerSession } from "./worker-session.ts";

/** What a host needs from the rest of the supervisor. */
export interface HostPorts extends WorkerPorts {
  readonly loads: LoadQueue;
  readonly record: ModelRecord;
  readonly admission: Pick<ModelAdmission, "examine" | "release">;
  /** 0 ≤ random < 1 */
  random(): number;
}

/** A routable worker; take it and use it in the same turn of the event loop. */
export interface ReadyWorker {
  readonly session: WorkerSession;
}

/**
 * One model's whole life: feeds events into policy/model-state.ts and performs the effects that come back. The only
 * writer of the model's state. Ask `ensureReady`; never read a state from outside and then act on it.
 */
export class ModelHost {
  readonly #ports: HostPorts;
  readonly #workers: ModelWorkers;
  #entry: CatalogueEntry;
  #model: Model = NEW_MODEL;
  #since = new Date();
  #permit: LoadPermit | null = null;
  /** What the last admission found; a load uses what it granted. */
  #admitted: AdmissionReport | null = null;
  #check = new AbortController();
  #retryTimer: NodeJS.Timeout | undefined;
  readonly #waiters = new Set<() => void>();
  readonly #queuedEvents: ModelEvent[] = [];
  #dispatching = false;
  /** The newest failure and its number, so that an explicit load can tell its own failure from an older one. */
  #lastFailure: { readonly number: number; readonly failure: Failure } | null = null;

  constructor(entry: CatalogueEntry, ports: HostPorts) {
    this.#entry = entry;
    this.#ports = ports;
    this.#workers = new ModelWorkers(ports, (event) => this.#dispatch(event));
  }

  get id(): string {
    return this.#entry.id;
  }

  get inFlight(): number {
    return this.#workers.inFlight;
  }

  /** How the memory it holds is being used; null: it holds none. */
  get use(): HolderUse | null {
    if (!holdsMemory(this.#model)) return null;
    return {
      state: this.#model.state.kind === "routable" ? "loaded" : "reserved",
      isBusy: this.inFlight > 0 || this.#waiters.size > 0,
      isPinned: this.#ports.settings(this.id).pinned,
      lastUsedMs: this.#workers.lastUsedAt,
    };
  }

  /** Unloads it to make room, unless somebody has come to use it; resolves when its worker is gone. */
  async makeRoom(signal: AbortSignal): Promise<void> {
    const { use } = this;
    if (use === null || use.state !== "loaded" || use.isBusy || use.isPinned) return;
    this.#ports.log.info({ model: this.id }, "unloaded to make room");
    await this.unload(signal);
  }

  /** What would come of loading it now; nothing is reserved and nothing changes. @throws LmxError */
  async probe(override: boolean, signal: AbortSignal): Promise<ProbeResult> {
    const report = await this.#ports.admission.examine(this.#entry, { override, dryRun: true, signal });
    return report.result;
  }

  /** The model will be tried again without anybody asking. */
  get isComing(): boolean {
    return ["checking", "admitted", "loading", "canary", "routable"].includes(this.#model.state.kind);
  }

  /** No worker, and none on its way. */
  get isIdle(): boolean {
    return !this.isComing && this.#model.state.kind !== "draining" && this.#model.leaving === null;
  }

  readiness(): Readiness {
    const epoch = Date.now() - this.#ports.now();
    return readinessOf(this.#model, this.#since, (monotonic) => new Date(epoch + monotonic));
  }

  detail(): ModelDetail {
    const worker = currentWorker(this.#model.state);
    const session = worker === null ? null : this.#workers.session(worker);
    const versions = session?.initialized?.versions;
    return {
      id: this.#entry.id,
      path: this.#entry.path,
      model_type: this.#entry.modelType,
      digest: this.#entry.digest,
      size_bytes: this.#entry.sizeBytes,
      loaded: this.#model.state.kind === "routable",
      context_length: session?.loaded?.context_tokens ?? this.#entry.contextLength,
      capabilities: session?.loaded ? capabilitiesOf(session.loaded) : null,
      readiness: this.readiness(),
      worker:
        session === null || session.pid === null
          ? null
          : {
              pid: session.pid,
              started_at: session.startedAt.toISOString(),
              backend_version: versions?.mlx_lm ?? null,
              mlx_version: versions?.mlx ?? null,
              memory_bytes: session.loaded?.memory_bytes ?? null,
              in_flight: session.inFlight,
            },
    };
  }

  /** The files on disk changed: a new key has no history. */
  refresh(entry: CatalogueEntry): void {
    const changed = entry.digest !== this.#entry.digest;
    this.#entry = entry;
    if (changed) this.#dispatch({ kind: "key-changed" });
  }

  startAutomatically(): void {
    this.#dispatch({ kind: "load-asked", by: "auto-load" });
  }

  /**
   * A worker that may serve, waiting until `deadline` (monotonic ms) for a model that is coming.
   * @throws LmxError with the code the client shall see; the signal's reason when it aborts
   */
  async ensureReady(deadline: number, signal: AbortSignal): Promise<ReadyWorker> {
    for (;;) {
      signal.throwIfAborted();
      const mayStart = this.#ports.record.mayStartOnRequest(this.#entry);
      const decision = decideHold(this.#model, { now: this.#ports.now(), deadline, mayStart });
      switch (decision.kind) {
        case "serve": {
          const session = this.#workers.session(decision.worker);
          if (session === null) throw new Error(`routable without a worker: ${this.id}`);
          return { session };
        }
        case "start":
          this.#dispatch({ kind: "load-asked", by: "request" });
          break;
        case "hold":
          await this.#changed(deadline, signal);
          break;
        default:
          throw refusal(this.id, decision);
      }
    }
  }

  /** Loads and waits for the outcome; a routable model is a success at once. @throws LmxError */
  async load(signal: AbortSignal, override = false): Promise<LoadResult> {
    const failuresBefore = this.#lastFailure?.number ?? 0;
    let asked = false;
    for (;;) {
      const { state, leaving } = this.#model;
      if (state.kind === "routable") return this.#loadResult();
      const failed = this.#lastFailure;
      if (failed !== null && failed.number > failuresBefore) throw loadFailure(this.id, failed.failure);
      if (state.kind !== "draining" && !asked) {
        asked = true;
        this.#dispatch({ kind: "load-asked", by: "operator", override });
        continue;
      }
      if (asked && state.kind === "unloaded" && leaving === null) {
        throw new LmxError("model_not_ready", `${this.id} was unloaded while it was loading.`, {
          retryable: false,
        });
      }
      await this.#changed(Number.POSITIVE_INFINITY, signal);
    }
  }

  /** Drains and ends the worker; resolves when it is gone. */
  async unload(signal: AbortSignal): Promise<UnloadResult> {
    this.#dispatch({ kind: "unload-asked" });
    while (this.#model.state.kind === "draining" || this.#model.leaving !== null) {
      await this.#changed(Number.POSITIVE_INFINITY, signal);
    }
    return { model_id: this.id, readiness: this.readiness() };
  }

  /** Ends every worker at once, for a stop that cannot wait. */
  async abandon(): Promise<void> {
    await this.#workers.abandon();
  }

  #dispatch(event: ModelEvent): void {
    this.#queuedEvents.push(event);
    if (this.#dispatching) return;
    this.#dispatching = true;
    try {
      for (let next = this.#queuedEvents.shift(); next !== undefined; next = this.#queuedEvents.shift())
        this.#apply(next);
    } finally {
      this.#dispatching = false;
    }
  }

  #apply(event: ModelEvent): void {
    const before = this.#model;
    const decision = transition(before, event, { now: this.#ports.now(), random: this.#ports.random() });
    this.#model = decision.model;
    if (before.state.kind !== decision.model.state.kind) {
      this.#since = new Date();
      this.#ports.log.info(
        { model: this.id, from: before.state.kind, to: decision.model.state.kind, event: event.kind },
        "model state",
      );
    }
    if (before.state.kind === "checking" && decision.model.state.kind !== "checking") this.#check.abort();
    if (holdsMemory(before) && !holdsMemory(decision.model)) this.#ports.admission.release(this.id);
    for (const effect of decision.effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "check-admission":
        void this.#checkAdmission(effect.attempt, effect.override);
        return;
      case "ask-permit":
        this.#permit = this.#ports.loads.ask(() => this.#dispatch({ kind: "permit-granted" }));
        return;
      case "return-permit":
        this.#permit?.giveBack();
        this.#permit = null;
        return;
      case "start-worker":
        void this.#workers.start(effect.worker, this.#entry, this.#admitted?.cacheBudgetBytes ?? null);
        return;
      case "run-canary":
        void this.#workers.runCanary(effect.worker);
        return;
      case "drain-worker":
        void this.#workers.drain(effect.worker);
        return;
      case "end-worker":
        this.#workers.end(effect.worker, effect.how);
        return;
      case "retry-at":
        this.#armRetry(effect.at);
        return;
      case "record":
        this.#ports.record.outcome(this.#entry, effect.outcome, effect.reason, {
          // Refused before it was loaded: evidence of an earlier load says nothing about this try.
          load: this.#admitted === null || this.#admitted.failure !== null ? null : this.#workers.evidence(),
          structure: this.#admitted?.structure ?? null,
          overridden: this.#admitted?.overridden ?? [],
        });
        return;
      case "report-failure":
        this.#lastFailure = { number: (this.#lastFailure?.number ?? 0) + 1, failure: effect.failure };
        this.#ports.log.warn(
          { model: this.id, class: effect.failure.class, ...effect.failure.reason },
          "worker failure",
        );
        return;
      case "wake-waiters":
        this.#wakeAll();
        return;
      default:
        effect satisfies never;
    }
  }

  async #checkAdmission(attempt: number, override: boolean): Promise<void> {
    this.#check.abort();
    this.#check = new AbortController();
    const { signal } = this.#check;
    this.#admitted = null;
    let failure: Failure | null;
    try {
      const report = await this.#ports.admission.examine(this.#entry, { override, dryRun: false, signal });
      if (!signal.aborted) this.#admitted = report;
      failure = report.failure;
      if (report.overridden.length > 0)
        this.#ports.log.warn(
          { model: this.id, overridden: report.overridden },
          "limits of the runtime overridden",
        );
    } catch (error) {
      failure = admissionError(error);
    }
    if (failure === null) this.#dispatch({ kind: "admission-passed", attempt });
    else this.#dispatch({ kind: "admission-refused", attempt, failure });
    // Asked for, and taken back while it was looked at.
    if (!holdsMemory(this.#model)) this.#ports.admission.release(this.id);
  }

  #armRetry(at: number): void {
    clearTimeout(this.#retryTimer);
    const delay = Math.max(0, at - this.#ports.now());
    this.#retryTimer = setTimeout(() => this.#dispatch({ kind: "retry-due" }), delay);
  }

  /** Resolves at the next settled transition, at the deadline, or when the signal aborts. */
  async #changed(deadline: number, signal: AbortSignal): Promise<void> {
    const left = deadline - this.#ports.now();
    let timer: NodeJS.Timeout | undefined;
    let wake: () => void = () => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    if (Number.isFinite(left)) timer = setTimeout(wake, Math.max(0, left));
    signal.addEventListener("abort", wake, { once: true });
    this.#waiters.add(wake);
    try {
      await woken;
      signal.throwIfAborted();
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      this.#waiters.delete(wake);
    }
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiters]) wake();
  }

  #loadResult(): LoadResult {
    const evidence = this.#workers.evidence();
    return {
      model_id: this.id,
      readiness: this.readiness(),
      load_seconds: evidence?.loaded.load_seconds ?? null,
      memory_bytes: evidence?.loaded.memory_bytes ?? null,
      checks: [
        ...(this.#admitted?.result.checks ?? []),
        ...(evidence === null ? [] : [canaryCheck(evidence)]),
      ],
    };
  }
}

function canaryCheck({ warning }: LoadEvidence): Check {
  return {
    name: "canary",
    status: warning === null ? "pass" : "warn",
    detail: warning ?? "the canary answered",
    expected: null,
    next_step: null,
  };
}
