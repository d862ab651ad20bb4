import type { CatalogueEntry } from "../../models/catalogue-entry.ts";
import { type InFlight, nextAfterDeath, type WorkerDeath } from "../../policy/diagnosis/dossier.ts";
import { NO_FAILURES } from "../../policy/lifecycle/failure-record.ts";
import {
  currentWorker,
  type Effect,
  type Failure,
  holdsMemory,
  type Model,
  type ModelEvent,
  NEW_MODEL,
  type Overrides,
  type WorkerNumber,
} from "../../policy/lifecycle/model-state.ts";
import { isWorthSaving } from "../../policy/lifecycle/steps.ts";
import { transition } from "../../policy/lifecycle/transition.ts";
import type { LoadPermit, LoadQueue } from "../../workers/load-queue.ts";
import type { WorkerSession } from "../../workers/worker-session.ts";
import type { LoadHistory } from "../admission/load-history.ts";
import type { AdmissionReport, ModelAdmission } from "../admission/model-admission.ts";
import type { FailureHistory } from "./failure-history.ts";
import { filesChanged } from "./files-changed.ts";
import { admissionError } from "./load-errors.ts";
import { ModelWorkers } from "./model-workers.ts";
import { RequestSlots } from "./request-slots.ts";
import { hasNewQuarantine, isNews, stateEvents } from "./state-events.ts";
import { Waiters } from "./waiters.ts";
import type { WorkerPorts } from "./worker-ports.ts";

/** What one model needs from the rest of the supervisor. */
export interface ControllerPorts extends WorkerPorts {
  readonly loads: LoadQueue;
  readonly record: LoadHistory;
  readonly admission: Pick<ModelAdmission, "examine" | "release">;
  readonly history: Pick<FailureHistory, "keyOf" | "read" | "save" | "numbers">;
  /** A failure that is the runtime's and not the model's. */
  runtimeFailed(modelId: string, cause: string, message: string): void;
  /** 0 ≤ random < 1 */
  random(): number;
}

/**
 * One model's state: feeds events into policy/lifecycle/transition.ts and performs the effects that come back. The only
 * writer of the model's state and of its failure record.
 */
export class ModelController {
  readonly workers: ModelWorkers;
  readonly slots: RequestSlots;
  readonly waiters: Waiters;
  readonly #ports: ControllerPorts;
  #entry: CatalogueEntry;
  /** As it was looked at for the newest try: that is loaded, and the outcome is about it, whatever the disk has since. */
  #tried: CatalogueEntry;
  #model: Model = NEW_MODEL;
  /** What is told to others: a quarantine only once it is on the disk. */
  #announced: Model = NEW_MODEL;
  /** A quarantine that is not on the disk yet is told to nobody. */
  #isHeldBack = false;
  #since = new Date();
  /** Key of the failure record; null: the runtime is not known yet. */
  #key: string | null = null;
  #saved: Promise<void> = Promise.resolve();
  #permit: LoadPermit | null = null;
  #admitted: AdmissionReport | null = null;
  #check = new AbortController();
  #retryTimer: NodeJS.Timeout | undefined;
  readonly #queuedEvents: ModelEvent[] = [];
  #dispatching = false;
  #lastFailure: { readonly number: number; readonly failure: Failure } | null = null;
  /** States that others are told of only once a quarantine before them is on the disk. */
  readonly #untold: (() => void)[] = [];
  #lacksMoreThanARuntime = false;
  /** What ran on the last worker that failed, for when it is gone. */
  #lost: { readonly worker: WorkerNumber; readonly inFlight: InFlight } | null = null;

  constructor(entry: CatalogueEntry, ports: ControllerPorts) {
    this.#entry = entry;
    this.#tried = entry;
    this.#ports = ports;
    this.workers = new ModelWorkers(ports, {
      event: (event) => this.#onWorkerEvent(event),
      death: (worker, session, death) => this.#onDeath(worker, session, death),
    });
    this.waiters = new Waiters(ports.now);
    this.slots = new RequestSlots(ports.now, () => this.waiters.wakeAll());
    this.#syncKey();
  }

  get entry(): CatalogueEntry {
    return this.#entry;
  }

  get model(): Model {
    return this.#model;
  }

  get announced(): Model {
    return this.#announced;
  }

  /** When the state began. */
  get since(): Date {
    return this.#since;
  }

  /** Resolves when the failure record is on the disk, or cannot be. */
  get saved(): Promise<void> {
    return this.#saved;
  }

  /** What the last admission found. */
  get admitted(): AdmissionReport | null {
    return this.#admitted;
  }

  /** The newest failure and its number, so that an explicit load can tell its own failure from an older one. */
  get lastFailure(): { readonly number: number; readonly failure: Failure } | null {
    return this.#lastFailure;
  }

  /** Its last load failed for want of something in a runtime that starts workers: that it starts them again mends nothing. */
  get lacksMoreThanARuntime(): boolean {
    return this.#lacksMoreThanARuntime;
  }

  /** The files on disk, or the runtime, are others now. */
  refresh(entry: CatalogueEntry): void {
    this.#entry = entry;
    this.#syncKey();
  }

  dispatch(event: ModelEvent): void {
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

  /** A new key has no history; a live worker keeps the one it was loaded with until it is gone. */
  #syncKey(): void {
    const { state, leaving } = this.#model;
    if (leaving !== null || !["unloaded", "quarantined", "checking"].includes(state.kind)) return;
    const key = this.#ports.history.keyOf(state.kind === "checking" ? this.#tried : this.#entry);
    if (key === null || key === this.#key) return;
    const isFirst = this.#key === null;
    this.#key = key;
    if (isFirst && isWorthSaving(NO_FAILURES, this.#model.record)) {
      // Something was learned of it before the runtime, and with it the key, was known.
      this.#saved = this.#ports.history.save(key, this.#entry.id, this.#model.record);
      return;
    }
    const record = this.#ports.history.read(key, this.#entry.id);
    if (state.kind === "unloaded" && record === NO_FAILURES && this.#model.record === NO_FAILURES) return;
    this.dispatch({ kind: "key-changed", record });
  }

  #onWorkerEvent(event: ModelEvent): void {
    if (event.kind === "finished" && this.#model.record.standing.kind !== "probation") return;
    this.dispatch(this.#blamed(event));
  }

  /** A crash is held against the requests that ran as well, and then not always against the model. */
  #blamed(event: ModelEvent): ModelEvent {
    if (event.kind !== "exited" && event.kind !== "failed") return event;
    const session = this.workers.session(event.worker);
    this.#lacksMoreThanARuntime = event.failure.class === "environment" && session?.initialized != null;
    if (session === null || currentWorker(this.#model.state) !== event.worker) return event;
    if (this.#model.state.kind === "draining") return event;
    this.#lost = { worker: event.worker, inFlight: this.slots.inFlight(session) };
    const counts = this.slots.noteCrash(session, event.failure.reason.cause);
    return counts ? event : { ...event, failure: { ...event.failure, counts: false } };
  }

  /** The state has moved already: what is next is known. */
  #onDeath(worker: WorkerNumber, session: WorkerSession, death: WorkerDeath): void {
    const inFlight = this.#lost?.worker === worker ? this.#lost.inFlight : this.slots.inFlight(session);
    const next = nextAfterDeath(this.#model, this.#ports.now());
    this.#ports.dossiers.file({ ...death, inFlight, next });
  }

  #apply(event: ModelEvent): void {
    const before = this.#model;
    const { now, random, history } = this.#ports;
    const moment = { now: now(), wallNow: Date.now(), random: random(), numbers: history.numbers };
    const { model, effects } = transition(before, event, moment);
    this.#model = model;
    const isNewQuarantine = hasNewQuarantine(before, model);
    if (event.kind === "release-asked" && before.state.kind === "quarantined")
      this.#ports.events.emit({ type: "released", model: this.#entry.id, reason: event.reason ?? null });
    if (before.state.kind !== model.state.kind) this.#noteState(before, event);
    if (isNews(before, model)) this.#noteEvents(before, event, isNewQuarantine);
    if (isNewQuarantine) this.#isHeldBack = true;
    if (!this.#isHeldBack) this.#announced = model;
    if (holdsMemory(before) && !holdsMemory(model)) this.#ports.admission.release(this.#entry.id);
    for (const effect of effects) this.#perform(effect);
    if (isNewQuarantine) void this.#saved.then(() => this.#announce());
    this.#syncKey();
  }

  #noteState(before: Model, event: ModelEvent): void {
    this.#since = new Date();
    if (before.state.kind === "checking") this.#check.abort();
    const reason = "reason" in this.#model.state ? this.#model.state.reason : null;
    this.#ports.log.info(
      {
        model: this.#entry.id,
        from: before.state.kind,
        to: this.#model.state.kind,
        event: event.kind,
        ...(reason === null ? {} : { reason }),
      },
      "model state",
    );
  }

  #noteEvents(before: Model, event: ModelEvent, isTentative: boolean): void {
    const after = this.#model;
    const { events, dossiers } = this.#ports;
    const { id: modelId } = this.#entry;
    this.#untold.push(() => {
      const dossierId = dossiers.newest(modelId);
      const drafts = stateEvents({ modelId, before, after, event: event.kind, dossierId });
      for (const draft of drafts) events.emit(draft);
    });
    if (!isTentative && !this.#isHeldBack) this.#tell();
  }

  #announce(): void {
    this.#isHeldBack = false;
    this.#announced = this.#model;
    this.#tell();
    this.waiters.wakeAll();
  }

  #tell(): void {
    for (const tell of this.#untold.splice(0)) tell();
  }

  #perform(effect: Effect): void {
    const { id } = this.#entry;
    switch (effect.kind) {
      case "check-admission":
        void this.#checkAdmission(effect.attempt, effect.overrides);
        return;
      case "ask-permit": {
        const permit = this.#ports.loads.ask(() => void this.#onPermit(() => this.#permit === permit));
        this.#permit = permit;
        return;
      }
      case "return-permit":
        this.#permit?.giveBack();
        this.#permit = null;
        return;
      case "start-worker":
        void this.workers.start(effect.worker, {
          entry: this.#tried,
          cacheBudgetBytes: this.#admitted?.cacheBudgetBytes ?? null,
          key: this.#key,
        });
        return;
      case "run-canary":
        void this.workers.runCanary(effect.worker);
        return;
      case "drain-worker":
        void this.workers.drain(effect.worker);
        return;
      case "end-worker":
        this.workers.end(effect.worker, effect.how);
        return;
      case "retry-at":
        this.#armRetry(effect.at);
        return;
      case "record":
        this.#ports.record.outcome(this.#tried, effect.outcome, effect.reason, {
          // Refused before it was loaded: evidence of an earlier load says nothing about this try.
          load: this.#admitted === null || this.#admitted.failure !== null ? null : this.workers.evidence(),
          structure: this.#admitted?.structure ?? null,
          overridden: this.#admitted?.overridden ?? [],
        });
        return;
      case "report-failure":
        this.#reportFailure(effect.failure);
        return;
      case "save-record":
        if (this.#key !== null) this.#saved = this.#ports.history.save(this.#key, id, this.#model.record);
        return;
      case "wake-waiters":
        this.waiters.wakeAll();
        return;
      default:
        effect satisfies never;
    }
  }

  #reportFailure(failure: Failure): void {
    this.#lastFailure = { number: (this.#lastFailure?.number ?? 0) + 1, failure };
    const { details: _, ...told } = failure;
    this.#ports.log.warn({ model: this.#entry.id, ...told, ...failure.reason }, "model failure");
    const { code, cause, message } = failure.reason;
    if (code === "worker_runtime_broken") this.#ports.runtimeFailed(this.#entry.id, cause, message);
  }

  async #checkAdmission(attempt: number, overrides: Overrides): Promise<void> {
    this.#check.abort();
    this.#check = new AbortController();
    const { signal } = this.#check;
    const { id } = this.#entry;
    this.#admitted = null;
    this.#tried = this.#entry;
    let failure: Failure | null;
    try {
      const report = await this.#ports.admission.examine(this.#entry, { overrides, dryRun: false, signal });
      if (!signal.aborted) this.#admitted = report;
      failure = report.failure;
      if (report.overridden.length > 0) {
        const { overridden } = report;
        this.#ports.log.warn({ model: id, overridden }, "limits of the runtime overridden");
        this.#ports.events.emit({ type: "override", model: id, details: { overridden } });
      }
    } catch (error) {
      failure = admissionError(error);
    }
    if (failure === null) this.dispatch({ kind: "admission-passed", attempt });
    else this.dispatch({ kind: "admission-refused", attempt, failure });
    // Asked for, and taken back while it was looked at.
    if (!holdsMemory(this.#model)) this.#ports.admission.release(id);
  }

  /** Its turn has come; what was admitted may have gone while it waited, or served. */
  async #onPermit(isHeld: () => boolean): Promise<void> {
    const isChanged = await filesChanged(this.#tried, this.#entry);
    // Otherwise it was taken back meanwhile.
    if (isHeld()) this.dispatch({ kind: "permit-granted", filesChanged: isChanged });
  }

  #armRetry(at: number): void {
    clearTimeout(this.#retryTimer);
    const delay = Math.max(0, at - this.#ports.now());
    this.#retryTimer = setTimeout(() => this.dispatch({ kind: "retry-due" }), delay);
  }
}
