import type { Logger } from "pino";
import type { ModelSettings, Timeouts } from "../../shared/config.ts";
import type { MethodResult } from "../../shared/worker-protocol.ts";
import type { CatalogueEntry } from "../models/catalogue.ts";
import type { WorkerDeath } from "../policy/dossier.ts";
import { classifyExit, explainExit, type WorkerPhase } from "../policy/failure.ts";
import { PROCESS_BYTES } from "../policy/memory-estimate.ts";
import type { Failure, ModelEvent, WorkerNumber } from "../policy/model-state.ts";
import type { WorkerExit } from "../process/worker-process.ts";
import type { DossierDesk } from "./dossiers.ts";
import { deathOf, exitEvent, progressTeller } from "./dossiers-death.ts";
import type { EventSink } from "./event-log.ts";
import { IdleWatch } from "./idle-watch.ts";
import type { LoadIntents } from "./load-intents.ts";
import { loadWorker, type PhaseOutcome, runCanary } from "./load-worker.ts";
import type { ClusterObserver, WorkerMemory } from "./observer.ts";
import type { WorkerLogDesk } from "./worker-logs.ts";
import type { WorkerSession } from "./worker-session.ts";
import { WorkerWatch } from "./worker-watch.ts";

export interface WorkerPorts {
  /** Starts a worker process; may wait for the Python runtime. */
  launch(modelId: string): Promise<WorkerSession>;
  settings(modelId: string): ModelSettings;
  readonly timeouts: Timeouts;
  /** A model leaves after this long without a request; null: never. Milliseconds. */
  idleMs(modelId: string): number | null;
  /** A model that has served this long without a failure is forgiven one. Milliseconds. */
  readonly forgiveMs: number;
  /** Resolves when the memory of the model's dead worker is there again, or has taken too long. */
  memoryBack(modelId: string): Promise<void>;
  /** Resident bytes a worker of this model may take; null: no cap. */
  capBytes(modelId: string): number | null;
  readonly intents: Pick<LoadIntents, "begin" | "end">;
  /** Monotonic milliseconds. */
  now(): number;
  readonly observer: ClusterObserver;
  readonly events: EventSink;
  readonly dossiers: DossierDesk;
  readonly workerLogs: WorkerLogDesk;
  /** What the model's worker takes now; null: it has none. Bytes. */
  measured(modelId: string, bytes: number | null): void;
  readonly log: Logger;
}

/** What the newest load and canary of a model showed. */
export interface LoadEvidence {
  readonly versions: MethodResult<"initialize">["versions"];
  readonly loaded: MethodResult<"load">;
  readonly canary: MethodResult<"canary"> | null;
  readonly warning: string | null;
}

/** What a worker is started for. */
export interface StartOrder {
  readonly entry: CatalogueEntry;
  /** What the caches of all rows may take; null: no limit. */
  readonly cacheBudgetBytes: number | null;
  /** Of the model's failure record, for the intent; null: not known. */
  readonly key: string | null;
}

interface Slot {
  readonly session: WorkerSession;
  readonly entry: CatalogueEntry;
  readonly key: string | null;
  readonly watch: WorkerWatch;
  phase: WorkerPhase;
  /** Why it had to be ended, when it failed while it still lived. */
  failure: Failure | null;
  /** Name of the dossier of its failure; null: it has not failed, or that was no death. */
  dossierId: string | null;
}

/** What a model's workers tell about themselves. */
export interface WorkerReports {
  event(event: ModelEvent): void;
  /** After the `exited` of a worker that nobody asked to leave, or that had to leave because it failed. */
  death(worker: WorkerNumber, session: WorkerSession, death: WorkerDeath): void;
}

/** A worker that measures its memory for longer than this is busy with something better. */
const STATS_TIMEOUT_MS = 10_000;

/** The worker processes of one model: performs what the state machine asks for and reports what happened as events. */
export class ModelWorkers {
  readonly #ports: WorkerPorts;
  readonly #report: WorkerReports["event"];
  readonly #reportDeath: WorkerReports["death"];
  readonly #slots = new Map<WorkerNumber, Slot>();
  /** Asked to end before their process existed. */
  readonly #endedEarly = new Set<WorkerNumber>();
  #evidence: LoadEvidence | null = null;
  #lastOneFailed = false;

  constructor(ports: WorkerPorts, { event, death }: WorkerReports) {
    this.#ports = ports;
    this.#report = event;
    this.#reportDeath = death;
  }

  /** It has work and has made no step for a while. */
  isStalled(worker: WorkerNumber): boolean {
    return this.#slots.get(worker)?.watch.isStalled ?? false;
  }

  session(worker: WorkerNumber): WorkerSession | null {
    return this.#slots.get(worker)?.session ?? null;
  }

  /** When the last request came or went, monotonic milliseconds; 0: no worker has served one. */
  get lastUsedAt(): number {
    return Math.max(0, ...[...this.#slots.values()].map(({ session }) => session.lastUsedAt));
  }

  get inFlight(): number {
    let sum = 0;
    for (const slot of this.#slots.values()) sum += slot.session.inFlight;
    return sum;
  }

  evidence(): LoadEvidence | null {
    return this.#evidence;
  }

  /** Spawns and loads; reports `loaded`, `failed` or `exited`. */
  start(worker: WorkerNumber, order: StartOrder): Promise<void> {
    this.#evidence = null;
    return this.#guarded(worker, () => this.#load(worker, order));
  }

  async #load(worker: WorkerNumber, order: StartOrder): Promise<void> {
    const { entry, cacheBudgetBytes } = order;
    // After a death: two workers' worth of memory at once would end the second as well.
    if (this.#lastOneFailed) await this.#ports.memoryBack(entry.id);
    const slot = await this.#launch(worker, order);
    if (slot === null) return;
    slot.phase = "starting";
    const settings = this.#ports.settings(entry.id);
    const target = { modelId: entry.id, path: entry.path, settings, cacheBudgetBytes };
    const onLoading = async () => {
      slot.phase = "loading";
      await this.#ports.intents.begin(slot.key, slot.session.pid);
    };
    const onProgress = progressTeller(entry.id, this.#ports.events, this.#ports.now);
    const outcome = await loadWorker(slot.session, target, this.#ports.timeouts, onLoading, onProgress);
    this.#afterPhase(worker, outcome, (loaded) => {
      slot.phase = "canary";
      const versions = slot.session.initialized?.versions;
      if (versions !== undefined) this.#evidence = { versions, loaded, canary: null, warning: null };
      const memory = { active: loaded.memory_bytes, peak: loaded.peak_memory_bytes, cache: 0 };
      this.#ports.observer.loaded(entry.id, loaded.load_seconds);
      this.#noteMemory(entry.id, memory);
      this.#report({ kind: "loaded", worker });
    });
  }

  /** Reports `canary-passed`, `failed` or `exited`. */
  runCanary(worker: WorkerNumber): Promise<void> {
    return this.#guarded(worker, () => this.#canary(worker));
  }

  async #canary(worker: WorkerNumber): Promise<void> {
    const slot = this.#slots.get(worker);
    if (slot === undefined) return;
    const outcome = await runCanary(slot.session, this.#ports.settings(slot.entry.id), this.#ports.timeouts);
    if (outcome.kind === "failed") this.#tellCanary(slot, { outcome: "fail" }, outcome.failure);
    this.#afterPhase(worker, outcome, ({ evidence, verdict }) => {
      slot.phase = "serving";
      this.#ports.observer.canaried(slot.entry.id, evidence.seconds);
      const warning = verdict.kind === "pass" ? verdict.warning : null;
      this.#tellCanary(slot, { outcome: "pass", seconds: evidence.seconds, warning });
      if (this.#evidence !== null) this.#evidence = { ...this.#evidence, canary: evidence, warning };
      this.#report({ kind: "canary-passed", worker });
      slot.session.onFinished = () => this.#report({ kind: "finished", worker });
      this.#armForgiveness(worker);
      this.#watchIdle(worker, slot);
    });
  }

  /** Waits for the running requests, at most the drain time; reports `drained`. */
  drain(worker: WorkerNumber): Promise<void> {
    return this.#guarded(worker, () => this.#drain(worker));
  }

  async #drain(worker: WorkerNumber): Promise<void> {
    const slot = this.#slots.get(worker);
    if (slot === undefined) return;
    await slot.session.idle(this.#ports.timeouts.drain_seconds * 1000);
    this.#report({ kind: "drained", worker });
  }

  end(worker: WorkerNumber, how: "orderly" | "kill"): void {
    const slot = this.#slots.get(worker);
    if (slot === undefined) {
      this.#endedEarly.add(worker);
      return;
    }
    void slot.session.stop(how === "kill" ? "hung" : "orderly", `ended by the supervisor (${how})`);
  }

  /** Ends every process without asking; resolves when they are gone. */
  async abandon(): Promise<void> {
    await Promise.all([...this.#slots.values()].map((slot) => slot.session.kill("hurried stop")));
  }

  /** A fault of ours must not leave the model in its state for ever. */
  async #guarded(worker: WorkerNumber, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#ports.log.error({ error }, "a step of a worker's life failed");
      const message = `The supervisor failed: ${String((error as Error).message)}`;
      const reason = { code: "internal_error", cause: "supervisor", message };
      this.#report({
        kind: "failed",
        worker,
        failure: { class: "crash", counts: false, reason },
        hung: true,
      });
    }
  }

  async #launch(worker: WorkerNumber, { entry, key }: StartOrder): Promise<Slot | null> {
    let session: WorkerSession;
    try {
      session = await this.#ports.launch(entry.id);
    } catch (error) {
      const exit = {
        code: null,
        signal: null,
        stderrTail: "",
        intent: null,
        spawnError: error as NodeJS.ErrnoException,
      };
      const failure = classifyExit(exitFacts("starting", exit, null));
      this.#lastOneFailed = true;
      this.#ports.observer.workerExited(entry.id, failure.reason.cause);
      this.#report({ kind: "exited", worker, failure });
      return null;
    }
    this.#ports.observer.workerStarted(entry.id, this.#lastOneFailed);
    const watch = this.#watch(worker, session, entry.id);
    const slot: Slot = { session, entry, key, watch, phase: "starting", failure: null, dossierId: null };
    this.#slots.set(worker, slot);
    this.#ports.workerLogs.attach(entry.id, session);
    const details = { pid: session.pid, restart: this.#lastOneFailed };
    this.#ports.events.emit({ type: "worker_started", model: entry.id, details });
    void session.exited.then((exit) => {
      watch.stop();
      this.#onExit(worker, slot, exit);
    });
    if (this.#endedEarly.delete(worker)) this.end(worker, "kill");
    return slot;
  }

  #watch(worker: WorkerNumber, session: WorkerSession, modelId: string): WorkerWatch {
    return new WorkerWatch({
      session,
      timeouts: this.#ports.timeouts,
      capBytes: this.#ports.capBytes(modelId),
      onPong: () => this.#measure(session, modelId),
      onFailure: (failure, hung) => {
        this.#noteFailure(worker, failure);
        this.#report({ kind: "failed", worker, failure, hung });
      },
      now: this.#ports.now,
    });
  }

  #measure(session: WorkerSession, modelId: string): void {
    if (session.loaded === null) return;
    session.stats(STATS_TIMEOUT_MS).then(
      (stats) =>
        this.#noteMemory(modelId, {
          active: stats.memory_bytes,
          peak: stats.peak_memory_bytes,
          cache: stats.cache_memory_bytes,
        }),
      () => {},
    );
  }

  #noteMemory(modelId: string, memory: WorkerMemory): void {
    const bytes = memory.active + memory.cache + PROCESS_BYTES;
    this.#ports.observer.workerMemory(modelId, memory);
    this.#ports.measured(modelId, bytes);
    for (const { watch, session } of this.#slots.values())
      if (session.loaded !== null) watch.noteReported(bytes);
  }

  #watchIdle(worker: WorkerNumber, { session, entry }: Slot): void {
    const idleMs = this.#ports.idleMs(entry.id);
    if (idleMs === null) return;
    const onIdle = () => this.#report({ kind: "idle", worker });
    const watch = new IdleWatch({ subject: session, idleMs, onIdle, now: () => performance.now() });
    void session.exited.then(() => watch.stop());
  }

  #onExit(worker: WorkerNumber, slot: Slot, exit: WorkerExit): void {
    const { code, signal, intent } = exit;
    this.#ports.log.info(
      { model: slot.entry.id, pid: slot.session.pid, code, signal, intent, phase: slot.phase },
      "worker exited",
    );
    const explained = explainExit(exitFacts(slot.phase, exit, slot.session.fatal));
    const { advice, blamesModel } = explained;
    const failure: Failure = blamesModel ? explained.failure : { ...explained.failure, counts: false };
    if (intent === null)
      this.#ports.log.warn(
        { model: slot.entry.id, class: failure.class, ...failure.reason, advice },
        "worker died",
      );
    // Whoever saw the worker end is still there, so it did not take the machine down.
    this.#ports.intents.end(slot.key, slot.session.pid);
    this.#lastOneFailed = intent === null || slot.failure !== null;
    this.#ports.observer.workerExited(
      slot.entry.id,
      slot.failure?.reason.cause ?? (intent === null ? failure.reason.cause : "stopped"),
    );
    if (intent === null) slot.dossierId ??= this.#ports.dossiers.reserve(slot.entry.id);
    this.#ports.events.emit(exitEvent(slot, exit, slot.failure ?? (intent === null ? failure : null)));
    // The state moves first, so that a lost request is judged by where the model is going.
    this.#report({ kind: "exited", worker, failure });
    const death = deathOf(slot, exit, explained, failure, this.#ports.capBytes(slot.entry.id));
    if (death !== null) this.#reportDeath(worker, slot.session, death);
    this.#slots.delete(worker);
    if (this.#slots.size === 0) this.#ports.measured(slot.entry.id, null);
    slot.session.loseAll();
  }

  #afterPhase<T>(worker: WorkerNumber, outcome: PhaseOutcome<T>, done: (result: T) => void): void {
    switch (outcome.kind) {
      case "done":
        done(outcome.result);
        return;
      case "failed":
        this.#noteFailure(worker, outcome.failure);
        this.#report({ kind: "failed", worker, failure: outcome.failure, hung: outcome.hung });
        return;
      case "gone":
        return;
      default:
        outcome satisfies never;
    }
  }

  /** It lives, but not for long. What it answered about the model's files is no death. */
  #noteFailure(worker: WorkerNumber, failure: Failure): void {
    const slot = this.#slots.get(worker);
    if (slot === undefined) return;
    slot.failure ??= failure;
    const isDeath = failure.class !== "deterministic";
    if (isDeath) slot.dossierId ??= this.#ports.dossiers.reserve(slot.entry.id);
  }

  #tellCanary({ entry }: Slot, details: Readonly<Record<string, unknown>>, failure?: Failure): void {
    const reason = failure?.reason ?? null;
    this.#ports.events.emit({ type: "canary", model: entry.id, reason, details });
  }

  #armForgiveness(worker: WorkerNumber): void {
    const timer = setInterval(() => {
      const slot = this.#slots.get(worker);
      if (slot === undefined) return clearInterval(timer);
      this.#ports.intents.end(slot.key, slot.session.pid);
      const finishedRequests = slot.session.takeFinished();
      if (finishedRequests > 0)
        this.#report({ kind: "steady", worker, routableMs: this.#ports.forgiveMs, finishedRequests });
    }, this.#ports.forgiveMs);
    timer.unref();
  }
}

function exitFacts(phase: WorkerPhase, exit: WorkerExit, fatal: WorkerSession["fatal"]) {
  return {
    phase,
    code: exit.code,
    signal: exit.signal,
    spawnError: exit.spawnError?.message ?? null,
    fatal,
    stderrTail: exit.stderrTail,
  };
}
