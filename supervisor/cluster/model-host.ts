import type {
  LoadResult,
  ModelActionResult,
  ModelDetail,
  ProbeResult,
  UnloadResult,
} from "../../shared/admin.ts";
import { LmxError } from "../../shared/errors.ts";
import type { Readiness, ReadinessReason } from "../../shared/readiness.ts";
import type { CatalogueEntry } from "../models/catalogue-entry.ts";
import type { FailureRecord } from "../policy/lifecycle/failure-record.ts";
import {
  currentWorker,
  holdsMemory,
  type ModelState,
  type Overrides,
} from "../policy/lifecycle/model-state.ts";
import { mayStart } from "../policy/lifecycle/quarantine.ts";
import type { HolderUse } from "./admission/memory-ledger.ts";
import { loadFailure, refusal, unloadedMeanwhile } from "./model/load-errors.ts";
import { loadChecks, loadResult } from "./model/load-result.ts";
import { type ControllerPorts, ModelController } from "./model/model-controller.ts";
import { capabilitiesOf, readinessOf } from "./model/model-view.ts";
import type { Fingerprint, RequestOrigin, RequestSlot } from "./model/request-slots.ts";
import { RequestGate } from "./requests/request-gate.ts";

export type HostPorts = ControllerPorts;

/** Who wants a load, and past what. */
export interface LoadRequest {
  readonly by: "operator" | "auto-load";
  readonly overrides?: Overrides;
}

/**
 * What others may ask of one model. Its state is written in one place, the controller; ask `ensureReady`, never read a
 * state from outside and then act on it.
 */
export class ModelHost {
  readonly #ports: HostPorts;
  readonly #controller: ModelController;
  readonly #requests: RequestGate;
  /** How often somebody has said that it shall leave: loads from before have nothing to ask for any more. */
  #cancelled = 0;

  constructor(entry: CatalogueEntry, ports: HostPorts) {
    this.#ports = ports;
    this.#controller = new ModelController(entry, ports);
    this.#requests = new RequestGate(this.#controller, ports);
  }

  get id(): string {
    return this.#controller.entry.id;
  }

  /** Of its failure record; null: the runtime is not known yet. */
  get key(): string | null {
    return this.#ports.history.keyOf(this.#controller.entry);
  }

  get inFlight(): number {
    return this.#controller.workers.inFlight;
  }

  /** How the memory it holds is being used; null: it holds none. */
  get use(): HolderUse | null {
    const { model, waiters, workers } = this.#controller;
    if (!holdsMemory(model)) return null;
    return {
      state: model.state.kind === "routable" ? "loaded" : "reserved",
      isBusy: this.inFlight > 0 || waiters.size > 0,
      isPinned: this.#ports.settings(this.id).pinned,
      lastUsedMs: workers.lastUsedAt,
    };
  }

  /** A request that lost its worker can wait for the next one. */
  get isComingBack(): boolean {
    return this.isComing || this.#requests.isRestarting;
  }

  /** The model will be tried again without anybody asking. */
  get isComing(): boolean {
    return ["checking", "admitted", "loading", "canary", "routable"].includes(
      this.#controller.model.state.kind,
    );
  }

  /** Kept out: nothing comes of a load now. */
  get isQuarantined(): boolean {
    return this.#controller.model.state.kind === "quarantined";
  }

  /** No worker, and none on its way. */
  get isIdle(): boolean {
    const { state, leaving } = this.#controller.model;
    return !this.isComing && state.kind !== "draining" && leaving === null;
  }

  /** It rests because the Python runtime could not run it, and is wanted. */
  get waitsForRuntime(): boolean {
    const { state, wanted } = this.#controller.model;
    if (this.#controller.lacksMoreThanARuntime) return false;
    return wanted && state.kind === "unloaded" && state.reason?.code === "worker_runtime_broken";
  }

  readiness(): Readiness {
    const { announced, since, workers } = this.#controller;
    const epoch = Date.now() - this.#ports.now();
    const worker = currentWorker(announced.state);
    const isStalled = worker !== null && workers.isStalled(worker);
    const toDate = (monotonic: number) => new Date(epoch + monotonic);
    return readinessOf(announced, since, toDate, isStalled, this.#ports.dossiers.newest(this.id));
  }

  detail(): ModelDetail {
    const { admitted, announced, entry, workers } = this.#controller;
    const worker = currentWorker(announced.state);
    const session = worker === null ? null : workers.session(worker);
    const versions = session?.initialized?.versions;
    return {
      id: entry.id,
      path: entry.path,
      model_type: entry.modelType,
      digest: entry.digest,
      size_bytes: entry.sizeBytes,
      loaded: announced.state.kind === "routable",
      context_length: session?.loaded?.context_tokens ?? entry.contextLength,
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
              memory_bytes: session.loaded === null ? null : workers.memoryBytes,
              in_flight: session.inFlight,
              checks: announced.state.kind === "routable" ? loadChecks(admitted, workers.evidence()) : [],
            },
    };
  }

  /** The files on disk, or the runtime, are others now. */
  refresh(entry: CatalogueEntry = this.#controller.entry): void {
    this.#controller.refresh(entry);
  }

  /** The service stops: no request starts it any more. */
  close(): void {
    this.#requests.close();
  }

  startAutomatically(): void {
    this.#controller.dispatch({ kind: "load-asked", by: "auto-load" });
  }

  /** Was this request in flight at two crashes? */
  isRefused(fingerprint: Fingerprint): boolean {
    return this.#controller.slots.isRefused(fingerprint);
  }

  /**
   * A place on a worker that may serve, waiting until `deadline` (monotonic ms) for a model that is coming.
   * @throws LmxError with the code the client shall see; the signal's reason when it aborts
   */
  async ensureReady(
    deadline: number,
    signal: AbortSignal,
    fingerprint: Fingerprint,
    origin: RequestOrigin = {},
  ): Promise<RequestSlot> {
    return await this.#requests.acquire(deadline, signal, fingerprint, origin);
  }

  /** Whether a request of somebody else waits for this model. */
  othersWait(owner: string): boolean {
    return this.#requests.othersWait(owner);
  }

  /** What would come of loading it now; nothing is reserved and nothing changes. @throws LmxError */
  async probe(unsupportedRuntime: boolean, signal: AbortSignal): Promise<ProbeResult> {
    const { admission } = this.#ports;
    const report = await admission.examine(this.#controller.entry, {
      overrides: { unsupportedRuntime, safeMode: true },
      dryRun: true,
      signal,
    });
    return report.result;
  }

  /** Loads and waits for the outcome; a routable model is a success at once. @throws LmxError */
  async load(signal: AbortSignal, request: LoadRequest = { by: "operator" }): Promise<LoadResult> {
    return await this.#untilLoaded(signal, request, this.#cancelled);
  }

  /** What becomes of a load somebody else asked for. @throws LmxError when it rests without serving */
  async outcome(signal: AbortSignal): Promise<LoadResult> {
    const controller = this.#controller;
    while (this.isComing) {
      if (controller.model.state.kind === "routable") return this.#loadResult();
      await controller.waiters.changed(Number.POSITIVE_INFINITY, signal);
    }
    const { state } = controller.model;
    const reason = "reason" in state ? state.reason : null;
    if (reason === null)
      throw new LmxError("model_not_ready", `${this.id} is not loaded.`, { retryable: false });
    throw loadFailure(this.id, { class: "environment", reason });
  }

  /** Drains and ends the worker; resolves when it is gone. */
  async unload(signal: AbortSignal): Promise<UnloadResult> {
    this.#cancelled += 1;
    await this.#leave(signal);
    return { model_id: this.id, readiness: this.readiness() };
  }

  /** Requests that come meanwhile are held. @throws LmxError */
  async restart(signal: AbortSignal): Promise<ModelActionResult> {
    const cancelled = this.#cancelled;
    // What it was let past when it was loaded it is let past again: the operator's leave outlives the process.
    const wasOverridden = (this.#controller.admitted?.overridden.length ?? 0) > 0;
    const overrides = { unsupportedRuntime: this.isComing && wasOverridden, safeMode: this.isComing };
    await this.#requests.whileRestarting(() => this.#leave(signal, true));
    await this.#untilLoaded(signal, { by: "operator", overrides }, cancelled);
    return { model_id: this.id, readiness: this.readiness() };
  }

  /** Takes it out of service until it is released. Resolves when its worker is gone. */
  async quarantine(reason: string, signal: AbortSignal): Promise<ModelActionResult> {
    this.#controller.dispatch({ kind: "quarantine-asked", reason });
    await this.#controller.saved;
    await this.#untilGone(signal);
    return { model_id: this.id, readiness: this.readiness() };
  }

  /** Starts the one try of a quarantined model; answers at once. */
  async release(reason?: ReadinessReason): Promise<ModelActionResult> {
    this.#controller.dispatch({ kind: "release-asked", ...(reason !== undefined && { reason }) });
    await this.#controller.saved;
    return { model_id: this.id, readiness: this.readiness() };
  }

  /** Unloads it to make room, unless somebody has come to use it; resolves when its worker is gone. */
  async makeRoom(signal: AbortSignal): Promise<void> {
    const { use } = this;
    if (use === null || use.state !== "loaded" || use.isBusy || use.isPinned) return;
    this.#ports.log.info({ model: this.id }, "unloaded to make room");
    await this.#leave(signal);
  }

  /** Ends every worker at once, for a stop that cannot wait. */
  async abandon(): Promise<void> {
    await this.#controller.workers.abandon();
  }

  async #leave(signal: AbortSignal, comesBack = false): Promise<void> {
    this.#controller.dispatch({ kind: "unload-asked", comesBack });
    await this.#untilGone(signal);
  }

  async #untilGone(signal: AbortSignal): Promise<void> {
    const { waiters } = this.#controller;
    while (this.#controller.model.state.kind === "draining" || this.#controller.model.leaving !== null) {
      await waiters.changed(Number.POSITIVE_INFINITY, signal);
    }
  }

  /** @param cancelled as it was when the load was asked for */
  async #untilLoaded(signal: AbortSignal, request: LoadRequest, cancelled: number): Promise<LoadResult> {
    const controller = this.#controller;
    const failuresBefore = controller.lastFailure?.number ?? 0;
    let asked = false;
    for (;;) {
      const { state, leaving, record } = controller.model;
      if (state.kind === "routable") return this.#loadResult();
      const failed = controller.lastFailure;
      if (failed !== null && failed.number > failuresBefore) {
        await controller.saved;
        throw loadFailure(this.id, failed.failure, this.#ports.dossiers.newest(this.id));
      }
      if (state.kind === "quarantined" && (asked || this.#isKeptOut(state, record))) {
        await controller.saved;
        const quarantined = { kind: "refuse-quarantined", reason: state.reason, record } as const;
        throw refusal(this.id, quarantined, this.#ports.dossiers.newest(this.id));
      }
      if (state.kind !== "draining" && leaving === null && !asked) {
        // Until now it waited for a worker to leave, and in the meantime another word was the last.
        if (cancelled !== this.#cancelled) throw unloadedMeanwhile(this.id);
        asked = true;
        controller.dispatch({ kind: "load-asked", ...request });
        continue;
      }
      if (asked && state.kind === "unloaded" && leaving === null) throw unloadedMeanwhile(this.id);
      await controller.waiters.changed(Number.POSITIVE_INFINITY, signal);
    }
  }

  /** By its failures, and its time has not come: no load would be tried, so none waits for its worker to leave. */
  #isKeptOut(state: Extract<ModelState, { kind: "quarantined" }>, record: FailureRecord): boolean {
    const { numbers } = this.#ports.history;
    return state.by === "failures" && mayStart(record, Date.now(), numbers).kind === "no";
  }

  #loadResult(): LoadResult {
    const { workers, admitted } = this.#controller;
    return loadResult(this.id, this.readiness(), admitted, workers.evidence());
  }
}
