import type { Logger } from "pino";
import { type ModelSettings, modelSettingsSchema } from "../../shared/config.ts";
import { RuntimeWatch } from "../backends/mlx/runtime-watch.ts";
import { LoadHistory } from "../cluster/admission/load-history.ts";
import { MemoryAdmission } from "../cluster/admission/memory-admission.ts";
import { MemoryLedger } from "../cluster/admission/memory-ledger.ts";
import { longestReturnMs, untilMemoryIsBack } from "../cluster/admission/memory-return.ts";
import { ModelAdmission } from "../cluster/admission/model-admission.ts";
import type { DossierSink } from "../cluster/dossiers/dossiers.ts";
import { countQuarantines } from "../cluster/model/count-quarantines.ts";
import { FailureHistory } from "../cluster/model/failure-history.ts";
import { LoadIntents } from "../cluster/model/load-intents.ts";
import { ModelCluster } from "../cluster/model-cluster.ts";
import { CompatSweep } from "../compat/compat-sweep.ts";
import { buildReducedModel, listReducedModels } from "../compat/reduced-models.ts";
import { SweepRecord } from "../compat/sweep-record.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { readMachineMemory } from "../host/machine-memory.ts";
import { oomKills } from "../host/oom-kills.ts";
import type { Catalogue } from "../models/catalogue.ts";
import type { CatalogueEntry } from "../models/catalogue-entry.ts";
import {
  QUARANTINE_DEFAULTS,
  type QuarantineNumbers,
  type QuarantineRule,
} from "../policy/lifecycle/failure-record.ts";
import { PROCESS_BYTES } from "../policy/memory/memory-estimate.ts";
import { type RedactionFacts, redact } from "../policy/redact.ts";
import { packageDirectoryOf, type Runtime } from "../runtime/runtime-marker.ts";
import type { EventSink } from "../telemetry/event-log.ts";
import { noteInAudit } from "../telemetry/note-in-audit.ts";
import type { ClusterObserver } from "../telemetry/observer.ts";
import { deadmanSeconds } from "../workers/heartbeat.ts";
import { inspectInWorker } from "../workers/inspect-worker.ts";
import { launchWorker, type WorkerPlaces } from "../workers/launch-worker.ts";
import { LoadQueue } from "../workers/load-queue.ts";
import type { WorkerLogSink } from "../workers/worker-logs.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import type { WorkerSession } from "../workers/worker-session.ts";
import type { State } from "./open-state.ts";

type Config = LoadedConfig["config"];

export interface ClusterParts {
  /** In force now: another one after a reload, so ask anew each time. */
  readonly config: Config;
  readonly catalogue: Catalogue;
  readonly state: State;
  /** `built` is null until `ready` resolves. */
  readonly runtime: { readonly ready: Promise<Runtime>; readonly built: Runtime | null };
  readonly places: Omit<WorkerPlaces, "table" | "deadmanSeconds">;
  /** Why the service loads nothing unasked; null: it does. */
  safeMode(): string | null;
  readonly observer: ClusterObserver;
  readonly events: EventSink;
  readonly dossiers: DossierSink;
  readonly workerLogs: WorkerLogSink;
  /** What must leave the service in no text. */
  redaction(): RedactionFacts;
  /** A quarantine has begun. */
  onQuarantined(modelId: string, rule: QuarantineRule): void;
  readonly log: Logger;
}

export interface ClusterComposition {
  readonly cluster: ModelCluster;
  readonly ledger: MemoryLedger;
  readonly pool: WorkerPool;
  readonly runtimeWatch: RuntimeWatch;
  readonly sweep: CompatSweep;
}

/** All models with what they share: memory, registry, admission, the queue of loads, the workers' pool. */
export function composeCluster(parts: ClusterParts): ClusterComposition {
  const { catalogue, state, runtime, log } = parts;
  const settings = (modelId: string) => settingsOf(parts.config, modelId);
  const versions = () => runtime.built?.versions ?? null;
  const { spawn, pool, runtimeWatch } = composeWorkers(parts, () => cluster);
  const loads = new LoadQueue();
  // It holds nothing but these, so a new one is as good as the last.
  const record = () => new LoadHistory(state.registry, parts.config.load_on_request, versions);
  const ledger = new MemoryLedger({
    readMachine: readMachineMemory,
    config: () => parts.config.memory,
    use: (modelId) => cluster.use(modelId),
    longestReturnMs: longestReturnMs(process.platform),
    now: () => performance.now(),
  });
  const admission = new ModelAdmission({
    safeMode: parts.safeMode,
    runtime: async () => {
      const ready = await runtime.ready;
      return { versions: ready.versions, packageDirectory: packageDirectoryOf(ready) };
    },
    inspect: (entry, signal) =>
      inspectInWorker({
        launch: async () => {
          runtimeWatch.check();
          const session = await pool.take("inspect");
          parts.workerLogs.attach(entry.id, session);
          return session;
        },
        params: inspectParams(entry, settings(entry.id)),
        timeouts: parts.config.timeouts,
        signal,
      }),
    memory: new MemoryAdmission({ ledger, makeRoom: (ids, signal) => cluster.makeRoom(ids, signal) }),
    record: record(),
    settings,
    get config() {
      return parts.config;
    },
  });
  const history = new FailureHistory({
    store: state.quarantine,
    get numbers() {
      return quarantineNumbers(parts.config);
    },
    versions,
  });
  const cluster: ModelCluster = new ModelCluster({
    catalogue,
    get autoLoad() {
      return parts.config.auto_load;
    },
    audit: (entry) => noteInAudit(state.audit, entry),
    get holdMs() {
      return parts.config.timeouts.hold_seconds * 1000;
    },
    ports: {
      launch: async () => {
        runtimeWatch.check();
        return await pool.take("load");
      },
      settings,
      idleMs: (modelId) => idleMsOf(parts.config, modelId),
      get timeouts() {
        return parts.config.timeouts;
      },
      forgiveMs: history.numbers.forgivenessMs,
      clean: (text) => redact(text, parts.redaction()),
      oomKills,
      capBytes: (modelId) => settings(modelId).memory_limit_bytes ?? parts.config.memory.limit_bytes ?? null,
      intents: new LoadIntents(state.intents, state.bootId),
      loads,
      get record() {
        return record();
      },
      admission,
      history: countQuarantines(history, parts.onQuarantined),
      runtimeFailed: (modelId, cause, message) => {
        const wasBroken = runtimeWatch.broken !== null;
        runtimeWatch.failed(modelId, cause, message);
        if (wasBroken || runtimeWatch.broken === null) return;
        const reason = { code: "worker_runtime_broken", cause, message };
        parts.events.emit({ type: "runtime_broken", reason });
      },
      memoryBack: (modelId) => untilMemoryIsBack(ledger, modelId, () => performance.now()),
      measured: (modelId, bytes, by) => {
        if (by === "system" || bytes === null) ledger.setMeasured(modelId, bytes);
        else ledger.setReported(modelId, bytes);
      },
      now: () => performance.now(),
      random: Math.random,
      observer: parts.observer,
      events: parts.events,
      dossiers: parts.dossiers,
      workerLogs: parts.workerLogs,
      log,
    },
  });
  const sweep = composeSweep(parts, spawn, loads);
  return { cluster, ledger, pool, runtimeWatch, sweep };
}

/** Not from the pool: its spare is for a model that has to come back. */
function composeSweep(
  parts: ClusterParts,
  launch: () => Promise<WorkerSession>,
  loads: LoadQueue,
): CompatSweep {
  const { state, runtime, places, log } = parts;
  const builder = async () => ({
    ...places,
    python: (await runtime.ready).python,
    temporaryDirectory: places.scratch,
    platform: process.platform,
    environment: process.env,
  });
  return new CompatSweep({
    versions: async () => (await runtime.ready).versions,
    list: async (signal) => await listReducedModels(await builder(), signal),
    build: async (arch, directory, signal) =>
      await buildReducedModel(await builder(), arch, directory, signal),
    launch,
    loads,
    get timeouts() {
      return parts.config.timeouts;
    },
    scratch: places.scratch,
    record: new SweepRecord(state.registry),
    log,
  });
}

function composeWorkers(
  parts: ClusterParts,
  cluster: () => ModelCluster,
): { spawn: () => Promise<WorkerSession>; pool: WorkerPool; runtimeWatch: RuntimeWatch } {
  const { state, runtime, places, log } = parts;
  const workerPlaces: WorkerPlaces = {
    ...places,
    table: state.workers,
    deadmanSeconds: () => deadmanSeconds(parts.config.timeouts),
  };
  const spawn = async () => await launchWorker((await runtime.ready).python, workerPlaces, log);
  const pool = new WorkerPool({
    spawn,
    keepSpare: parts.config.spare_worker,
    hasRoom: async () => {
      const { availableBytes } = await readMachineMemory();
      return availableBytes === null || availableBytes > parts.config.memory.reserve_bytes + PROCESS_BYTES;
    },
    get initializeMs() {
      return parts.config.timeouts.initialize_seconds * 1000;
    },
    log,
  });
  const runtimeWatch = new RuntimeWatch({
    prove: () => pool.prove(),
    onMended: (wasBroken) => {
      if (wasBroken) parts.events.emit({ type: "runtime_mended" });
      cluster().runtimeMended();
    },
    now: () => performance.now(),
    log,
  });
  return { spawn, pool, runtimeWatch };
}

function inspectParams(entry: CatalogueEntry, { context_tokens, tool_parser, trust_code }: ModelSettings) {
  return {
    model_id: entry.id,
    path: entry.path,
    max_context_tokens: context_tokens ?? null,
    ...(tool_parser === undefined ? {} : { tool_parser }),
    ...(trust_code ? { trust_code } : {}),
  };
}

/** Waiting for the load queue is no part of the one try, so its lease is what the try itself may take. */
function quarantineNumbers({ quarantine, timeouts }: Config): QuarantineNumbers {
  return {
    ...QUARANTINE_DEFAULTS,
    threshold: quarantine.failures,
    slowFlapFailures: quarantine.flap_failures,
    forgivenessMs: quarantine.forgive_seconds * 1000,
    firstStayMs: quarantine.stay_seconds * 1000,
    probesUntilOperator: quarantine.probes,
    probationMs: quarantine.probation_seconds * 1000,
    probationRequests: quarantine.probation_requests,
    leaseMs: (timeouts.initialize_seconds + timeouts.load_cap_seconds + timeouts.canary_seconds) * 1000,
  };
}

function idleMsOf(config: Config, modelId: string): number | null {
  const settings = settingsOf(config, modelId);
  const seconds = settings.pinned ? null : (settings.idle_seconds ?? config.idle_seconds);
  return seconds === null ? null : seconds * 1000;
}

function settingsOf({ models }: Config, modelId: string): ModelSettings {
  return models[modelId] ?? modelSettingsSchema.parse({});
}
