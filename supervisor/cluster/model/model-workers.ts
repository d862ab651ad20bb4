import type { CatalogueEntry } from "../../models/catalogue-entry.ts";
import type { WorkerDeath } from "../../policy/diagnosis/dossier.ts";
import type { Failure, ModelEvent, WorkerNumber } from "../../policy/lifecycle/model-state.ts";
import { PROCESS_BYTES } from "../../policy/memory/memory-estimate.ts";
import type { WorkerMemory } from "../../telemetry/observer.ts";
import { type LoadEvidence, loadWorker, type PhaseOutcome, runCanary } from "../../workers/load-worker.ts";
import { watchServing } from "../../workers/serving-watch.ts";
import type { WorkerExit } from "../../workers/worker-process.ts";
import type { WorkerSession } from "../../workers/worker-session.ts";
import { explainSlotExit, spawnFailure, type WorkerSlot } from "../../workers/worker-slot.ts";
import { WorkerWatch } from "../../workers/worker-watch.ts";
import { deathOf, exitEvent, progressTeller } from "../dossiers/worker-death.ts";
import type { WorkerPorts } from "./worker-ports.ts";

/** What a worker is started for. */
export interface StartOptions {
  readonly entry: CatalogueEntry;
  /** What the caches of all rows may take; null: no limit. */
  readonly cacheBudgetBytes: number | null;
  /** Of the model's failure record, for the intent; null: not known. */
  readonly key: string | null;
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
  readonly #slots = new Map<WorkerNumber, WorkerSlot>();
  /** Without a process yet; aborted when they are asked to end before they have one. */
  readonly #coming = new Map<WorkerNumber, AbortController>();
  #evidence: LoadEvidence | null = null;
  #lastOneFailed = false;
  /** What its allocator held when it was asked last; null: it holds no model. Bytes. */
  #memoryBytes: number | null = null;

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

  get memoryBytes(): number | null {
    return this.#memoryBytes;
  }

  evidence(): LoadEvidence | null {
    return this.#evidence;
  }

  /** Spawns and loads; reports `loaded`, `failed` or `exited`. */
  start(worker: WorkerNumber, options: StartOptions): Promise<void> {
    this.#evidence = null;
    return this.#guarded(worker, () => this.#load(worker, options));
  }

  async #load(worker: WorkerNumber, options: StartOptions): Promise<void> {
    const { entry, cacheBudgetBytes } = options;
    const coming = new AbortController();
    this.#coming.set(worker, coming);
    // After a death: two workers' worth of memory at once would end the second as well.
    if (this.#lastOneFailed) await untilAborted(this.#ports.memoryBack(entry.id), coming.signal);
    const slot = coming.signal.aborted
      ? this.#neverStarted(worker)
      : await this.#launch(worker, options, coming.signal);
    this.#coming.delete(worker);
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
    if (outcome.kind === "failed" && !slot.isLeaving)
      this.#tellCanary(slot, { outcome: "fail" }, outcome.failure);
    this.#afterPhase(worker, outcome, ({ evidence, verdict }) => {
      slot.phase = "serving";
      this.#ports.observer.canaried(slot.entry.id, evidence.seconds);
      const warning = verdict.kind === "pass" ? verdict.warning : null;
      this.#tellCanary(slot, { outcome: "pass", seconds: evidence.seconds, warning });
      if (this.#evidence !== null) this.#evidence = { ...this.#evidence, canary: evidence, warning };
      this.#report({ kind: "canary-passed", worker });
      slot.session.onFinished = () => this.#report({ kind: "finished", worker });
      this.#watchServing(worker, slot);
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
      this.#coming.get(worker)?.abort();
      return;
    }
    slot.isLeaving = true;
    // The stop has times of its own, and a worker that hears no more pings would look hung.
    slot.watch.stop();
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
      this.#ports.log.error({ err: error }, "a step of a worker's life failed");
      const message = `The supervisor failed: ${String((error as Error).message)}`;
      const reason = { code: "internal_error", cause: "supervisor", message };
      const failure: Failure = { class: "crash", counts: false, reason };
      this.#coming.delete(worker);
      // Without a process there is none whose end could be waited for.
      if (this.#slots.has(worker)) this.#report({ kind: "failed", worker, failure, hung: true });
      else this.#report({ kind: "exited", worker, failure });
    }
  }

  /** Taken back while it waited: there is nothing to end. */
  #neverStarted(worker: WorkerNumber): null {
    this.#report({ kind: "exited", worker, failure: spawnFailure(new Error("it was taken back")) });
    return null;
  }

  /** @param ended aborted: it is not wanted any more */
  async #launch(
    worker: WorkerNumber,
    { entry, key }: StartOptions,
    ended: AbortSignal,
  ): Promise<WorkerSlot | null> {
    let session: WorkerSession;
    try {
      session = await this.#ports.launch(entry.id);
    } catch (error) {
      const failure = spawnFailure(error as NodeJS.ErrnoException);
      this.#lastOneFailed = true;
      this.#ports.observer.workerExited(entry.id, failure.reason.cause);
      this.#report({ kind: "exited", worker, failure });
      return null;
    }
    this.#ports.observer.workerStarted(entry.id, this.#lastOneFailed);
    const watch = this.#watch(worker, session, entry.id);
    const slot: WorkerSlot = {
      session,
      entry,
      key,
      watch,
      phase: "starting",
      oomKills: this.#ports.oomKills(),
      isLeaving: false,
      failure: null,
      dossierId: null,
    };
    this.#slots.set(worker, slot);
    this.#ports.workerLogs.attach(entry.id, session);
    const details = { pid: session.pid, restart: this.#lastOneFailed };
    this.#ports.events.emit({ type: "worker_started", model: entry.id, details });
    void session.exited.then((exit) => {
      watch.stop();
      this.#onExit(worker, slot, { ...exit, stderrTail: this.#ports.clean(exit.stderrTail) });
    });
    if (ended.aborted) this.end(worker, "kill");
    return slot;
  }

  #watch(worker: WorkerNumber, session: WorkerSession, modelId: string): WorkerWatch {
    return new WorkerWatch({
      session,
      timeouts: this.#ports.timeouts,
      capBytes: this.#ports.capBytes(modelId),
      onPong: () => {
        const slot = this.#slots.get(worker);
        if (slot !== undefined) slot.oomKills = this.#ports.oomKills();
        this.#measure(session, modelId);
      },
      onMemory: (bytes, by) => this.#ports.measured(modelId, bytes, by),
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
    this.#memoryBytes = memory.active;
    const bytes = memory.active + memory.cache + PROCESS_BYTES;
    this.#ports.observer.workerMemory(modelId, memory);
    for (const { watch, session } of this.#slots.values())
      if (session.loaded !== null) watch.noteReported(bytes);
  }

  #watchServing(worker: WorkerNumber, { session, entry, key }: WorkerSlot): void {
    const { forgiveMs, intents } = this.#ports;
    watchServing({
      session,
      idleMs: this.#ports.idleMs(entry.id),
      forgiveMs,
      onIdle: () => this.#report({ kind: "idle", worker }),
      onSteady: (finishedRequests) => {
        intents.end(key, session.pid);
        if (finishedRequests > 0)
          this.#report({ kind: "steady", worker, routableMs: forgiveMs, finishedRequests });
      },
    });
  }

  #onExit(worker: WorkerNumber, slot: WorkerSlot, exit: WorkerExit): void {
    const { log, intents, observer, events, dossiers, measured, capBytes } = this.#ports;
    const { entry, session, key, phase } = slot;
    const { code, signal, intent } = exit;
    const { explained, failure, reason } = explainSlotExit(slot, exit, this.#ports.oomKills());
    log.info({ model: entry.id, pid: session.pid, code, signal, intent, phase }, "worker exited");
    if (intent === null)
      log.warn(
        { model: entry.id, class: failure.class, ...failure.reason, advice: explained.advice },
        "worker died",
      );
    // Whoever saw the worker end is still there, so it did not take the machine down.
    intents.end(key, session.pid);
    this.#lastOneFailed = reason !== null;
    observer.workerExited(entry.id, reason?.reason.cause ?? "stopped");
    if (intent === null) slot.dossierId ??= dossiers.reserve(entry.id);
    events.emit(exitEvent(slot, exit, reason));
    // The state moves first, so that a lost request is judged by where the model is going.
    this.#report({ kind: "exited", worker, failure });
    const death = deathOf(slot, exit, explained, failure, capBytes(entry.id));
    if (death !== null) this.#reportDeath(worker, session, death);
    this.#slots.delete(worker);
    if (this.#slots.size === 0) {
      measured(entry.id, null, "system");
      this.#memoryBytes = null;
    }
    session.loseAll();
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
    if (slot === undefined || slot.isLeaving) return;
    slot.failure ??= failure;
    const isDeath = failure.class !== "deterministic";
    if (isDeath) slot.dossierId ??= this.#ports.dossiers.reserve(slot.entry.id);
  }

  #tellCanary({ entry }: WorkerSlot, details: Readonly<Record<string, unknown>>, failure?: Failure): void {
    const reason = failure?.reason ?? null;
    this.#ports.events.emit({ type: "canary", model: entry.id, reason, details });
  }
}

async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  await Promise.race([promise, aborted]);
}
