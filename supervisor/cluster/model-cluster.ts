import type {
  LoadResult,
  ModelActionResult,
  ModelDetail,
  ProbeResult,
  UnloadResult,
} from "../../shared/admin.ts";
import type { ModelSettings } from "../../shared/config.ts";
import { LmxError, serverStopping } from "../../shared/errors.ts";
import type { ReadinessReason } from "../../shared/readiness.ts";
import { withTimeout } from "../host/with-timeout.ts";
import type { Catalogue } from "../models/catalogue.ts";
import type { Actor, AuditContext } from "../telemetry/audit-context.ts";
import type { EncodedRequest } from "../workers/encoded-request.ts";
import type { HolderUse } from "./admission/memory-ledger.ts";
import { AutoLoad } from "./auto-load.ts";
import type { Cluster, LoadOptions } from "./cluster.ts";
import type { RequestOrigin } from "./model/request-slots.ts";
import { type HostPorts, type LoadRequest, ModelHost } from "./model-host.ts";
import type { Generation } from "./requests/generation.ts";
import { GenerationRun } from "./requests/generation-run.ts";

/** A listing may be this much behind the disk. Milliseconds. */
const LISTING_AGE_MS = 2_000;

/** Clients list models with little patience; a scan that takes longer is in the next answer. Milliseconds. */
const LISTING_WAIT_MS = 1_000;

/** One decision of an operator. */
export interface AuditEntry {
  readonly action:
    | "allow_unsupported_runtime"
    | "override_safe_mode"
    | "load"
    | "unload"
    | "restart"
    | "quarantine"
    | "release";
  readonly model: string;
  readonly actor: Actor;
  /** What the operator gave as reason. */
  readonly reason: string | null;
}

export interface ModelClusterOptions {
  readonly catalogue: Catalogue;
  readonly ports: HostPorts;
  /** Ids or aliases loaded at start, in this order. */
  readonly autoLoad: readonly string[];
  /** Keeps a trace of what operators decide; resolves when it is on the disk, or cannot be. */
  audit(entry: AuditEntry): Promise<void>;
  /** How long a request may be held for a model that is coming, milliseconds. */
  readonly holdMs: number;
}

/** One host per model of the catalogue, made when the model is first seen. */
export class ModelCluster implements Cluster {
  readonly #options: ModelClusterOptions;
  readonly #hosts = new Map<string, ModelHost>();
  /** Aborted when the service stops: whoever waits for a load is told. */
  readonly #stopping = new AbortController();
  /** From the first moment of a stop on no worker is started for anybody. */
  #isStopping = false;
  readonly #autoLoad: AutoLoad;

  constructor(options: ModelClusterOptions) {
    this.#options = options;
    this.#autoLoad = new AutoLoad({
      find: (idOrAlias) => this.#find(idOrAlias),
      isComplete: () => options.catalogue.isComplete(),
      log: options.ports.log,
      events: options.ports.events,
    });
    this.#syncHosts();
    options.catalogue.onLateScan(() => this.#syncHosts());
  }

  get requestsInFlight(): number {
    let sum = 0;
    for (const host of this.#hosts.values()) sum += host.inFlight;
    return sum;
  }

  /** How a model that holds memory is being used; null: it holds none. */
  use(modelId: string): HolderUse | null {
    return this.#hosts.get(modelId)?.use ?? null;
  }

  /** Unloads these models unless they have become busy; resolves when their workers are gone. */
  async makeRoom(modelIds: readonly string[], signal: AbortSignal): Promise<void> {
    await Promise.all(modelIds.map((id) => this.#hosts.get(id)?.makeRoom(signal)));
  }

  models(): ModelDetail[] {
    return [...this.#hosts.values()].map((host) => host.detail()).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  async listModels(): Promise<ModelDetail[]> {
    await withTimeout(LISTING_WAIT_MS, this.#freshen());
    return this.models();
  }

  model(idOrAlias: string): ModelDetail {
    const host = this.#find(idOrAlias);
    if (host === null) throw this.#notFound(idOrAlias);
    return host.detail();
  }

  /**
   * Asks for every model of the `auto_load` list; an unknown one is reported and the others go on. One that may be in a
   * place that has not answered yet is asked for when it is found there.
   * @param leftOut keys of models that may have taken the machine down
   */
  startAutoLoad(leftOut: ReadonlySet<string> = new Set()): string[] {
    return this.#autoLoad.start(this.#isStopping ? [] : this.#options.autoLoad, leftOut);
  }

  async settings(idOrAlias: string): Promise<ModelSettings> {
    const host = this.#find(idOrAlias) ?? (await this.#findOnDisk(idOrAlias));
    return this.#options.ports.settings(host.id);
  }

  async generate(
    idOrAlias: string,
    request: EncodedRequest,
    signal: AbortSignal,
    origin: RequestOrigin = {},
  ): Promise<Generation> {
    const { ports, holdMs } = this.#options;
    const { now, observer } = ports;
    const host = this.#find(idOrAlias) ?? (await this.#findOnDisk(idOrAlias));
    const log = ports.log.child({ id: origin.requestId });
    const run = new GenerationRun({ host, request, signal, holdMs, now, observer, origin, log });
    return await run.start();
  }

  async load(idOrAlias: string, options: LoadOptions = {}): Promise<LoadResult> {
    const host = await this.#hostToLoad(idOrAlias, options);
    if (options.audit !== undefined) await this.#audit("load", host.id, options.audit);
    this.#refuseWhenStopping();
    return await host.load(this.#stopping.signal, loadRequestOf(options));
  }

  async startLoad(idOrAlias: string, options: LoadOptions = {}): Promise<ModelDetail> {
    const host = await this.#hostToLoad(idOrAlias, options);
    if (options.audit !== undefined) await this.#audit("load", host.id, options.audit);
    this.#refuseWhenStopping();
    // It has asked for the load when it returns its promise, which nobody needs: the host logs and keeps the outcome.
    const outcome = host.load(this.#stopping.signal, loadRequestOf(options));
    outcome.catch(() => {});
    // Refused already: no event would ever tell what became of it.
    if (host.isQuarantined) await outcome;
    return host.detail();
  }

  /** What becomes of a load that was asked for at start. @throws LmxError */
  async outcome(idOrAlias: string): Promise<LoadResult> {
    const host = this.#find(idOrAlias);
    if (host === null) throw this.#notFound(idOrAlias);
    return await host.outcome(this.#stopping.signal);
  }

  async probe(
    idOrAlias: string,
    { allowUnsupportedRuntime = false }: Pick<LoadOptions, "allowUnsupportedRuntime"> = {},
  ): Promise<ProbeResult> {
    const host = await this.#findOnDisk(idOrAlias);
    return await host.probe(allowUnsupportedRuntime, this.#stopping.signal);
  }

  /** Operators load what they have just put on disk, or repaired: look again first. */
  async #hostToLoad(
    idOrAlias: string,
    { allowUnsupportedRuntime = false, overrideSafeMode = false, audit }: LoadOptions,
  ): Promise<ModelHost> {
    const host = await this.#findOnDisk(idOrAlias);
    if (audit === undefined) return host;
    if (allowUnsupportedRuntime) await this.#audit("allow_unsupported_runtime", host.id, audit);
    if (overrideSafeMode) {
      await this.#audit("override_safe_mode", host.id, audit);
      const details = { overridden: ["safe_mode"] };
      const reason = operatorsReason("override", audit);
      this.#options.ports.events.emit({ type: "override", model: host.id, reason, details });
    }
    return host;
  }

  /**
   * Before anything happens: what it leads to may end this process. Who waits for it acts as soon as it resolves, so
   * that things happen in the order of the rows.
   */
  #audit(action: AuditEntry["action"], model: string, { actor, reason }: AuditContext): Promise<void> {
    return this.#options.audit({ action, model, actor, reason });
  }

  async unload(idOrAlias: string, audit: AuditContext): Promise<UnloadResult> {
    const host = this.#find(idOrAlias) ?? (await this.#findOnDisk(idOrAlias));
    await this.#audit("unload", host.id, audit);
    return await host.unload(this.#stopping.signal);
  }

  async restart(idOrAlias: string, audit: AuditContext): Promise<ModelActionResult> {
    const host = await this.#findOnDisk(idOrAlias);
    await this.#audit("restart", host.id, audit);
    this.#refuseWhenStopping();
    return await host.restart(this.#stopping.signal);
  }

  async quarantine(idOrAlias: string, audit: AuditContext): Promise<ModelActionResult> {
    const host = this.#find(idOrAlias) ?? (await this.#findOnDisk(idOrAlias));
    await this.#audit("quarantine", host.id, audit);
    return await host.quarantine(audit.reason ?? "no reason given", this.#stopping.signal);
  }

  async release(idOrAlias: string, audit: AuditContext): Promise<ModelActionResult> {
    const host = await this.#findOnDisk(idOrAlias);
    await this.#audit("release", host.id, audit);
    this.#refuseWhenStopping();
    return await host.release(operatorsReason("released", audit));
  }

  /** The Python runtime stands: models' keys are known from now on. */
  runtimeKnown(): void {
    for (const host of this.#hosts.values()) host.refresh();
  }

  /** Workers can be started again: whoever rests because they could not is loaded. */
  runtimeMended(): void {
    for (const host of this.#hosts.values()) if (host.waitsForRuntime) host.startAutomatically();
  }

  /** Reads the model directories again and tells the hosts whose files changed. */
  async refresh(): Promise<void> {
    await this.#options.catalogue.refresh();
    this.#syncHosts();
  }

  /** Drains and ends every worker. Resolves when no worker process is left. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const hosts = [...this.#hosts.values()];
    for (const host of hosts) host.close();
    await Promise.all(hosts.map((host) => host.unload(new AbortController().signal)));
    this.#stopping.abort(serverStopping());
  }

  /** Kills every worker; for a stop that cannot wait. */
  async abandon(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.abandon()));
  }

  /** @throws LmxError server_is_overloaded */
  #refuseWhenStopping(): void {
    if (this.#isStopping) throw serverStopping();
  }

  async #freshen(): Promise<void> {
    await this.#options.catalogue.freshen(LISTING_AGE_MS);
    this.#syncHosts();
  }

  #find(idOrAlias: string): ModelHost | null {
    const entry = this.#options.catalogue.resolve(idOrAlias);
    // A model that runs can be steered although its directory cannot be listed any more.
    return this.#hosts.get(entry?.id ?? idOrAlias) ?? null;
  }

  async #findOnDisk(idOrAlias: string): Promise<ModelHost> {
    await this.refresh();
    const host = this.#find(idOrAlias);
    if (host === null) throw this.#notFound(idOrAlias);
    return host;
  }

  #notFound(idOrAlias: string): LmxError {
    const near = this.#options.catalogue.nearest(idOrAlias);
    const hint =
      near.length > 0 ? ` Did you mean ${near.join(" or ")}?` : " List the models with: lmx models";
    const late = this.#options.catalogue.isComplete()
      ? ""
      : " A place where models are looked for has not answered yet; the log names it.";
    return new LmxError("model_not_found", `No model named "${idOrAlias.slice(0, 200)}".${hint}${late}`, {
      param: "model",
    });
  }

  #syncHosts(): void {
    const entries = this.#options.catalogue.list();
    for (const entry of entries) {
      const host = this.#hosts.get(entry.id);
      if (host === undefined) this.#hosts.set(entry.id, new ModelHost(entry, this.#options.ports));
      else host.refresh(entry);
    }
    const known = new Set(entries.map((entry) => entry.id));
    for (const [id, host] of this.#hosts) {
      if (!known.has(id) && host.isIdle) this.#hosts.delete(id);
    }
    if (!this.#isStopping) this.#autoLoad.goOn();
  }
}

/** What an operator gave as reason, for an event. */
function operatorsReason(code: string, { reason }: AuditContext): ReadinessReason {
  return { code, cause: "operator", message: reason ?? "no reason given" };
}

function loadRequestOf({
  allowUnsupportedRuntime = false,
  overrideSafeMode = false,
  audit,
}: LoadOptions): LoadRequest {
  return {
    by: audit === undefined ? "auto-load" : "operator",
    overrides: { unsupportedRuntime: allowUnsupportedRuntime, safeMode: overrideSafeMode },
  };
}
