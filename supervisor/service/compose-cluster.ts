import { type ModelSettings, modelSettingsSchema } from "../../shared/config.ts";
import { LoadHistory } from "../cluster/admission/load-history.ts";
import { MemoryAdmission } from "../cluster/admission/memory-admission.ts";
import { MemoryLedger } from "../cluster/admission/memory-ledger.ts";
import { longestReturnMs, untilMemoryIsBack } from "../cluster/admission/memory-return.ts";
import { ModelAdmission } from "../cluster/admission/model-admission.ts";
import { countQuarantines } from "../cluster/model/count-quarantines.ts";
import { FailureHistory } from "../cluster/model/failure-history.ts";
import { LoadIntents } from "../cluster/model/load-intents.ts";
import { ModelCluster } from "../cluster/model-cluster.ts";
import type { HostPorts } from "../cluster/model-host.ts";
import { CompatSweep } from "../compat/compat-sweep.ts";
import { buildReducedModel, listReducedModels } from "../compat/reduced-models.ts";
import { SweepRecord } from "../compat/sweep-record.ts";
import { readMachineMemory } from "../host/machine-memory.ts";
import { oomKills } from "../host/oom-kills.ts";
import type { CatalogueEntry } from "../models/catalogue-entry.ts";
import { QUARANTINE_DEFAULTS, type QuarantineNumbers } from "../policy/lifecycle/failure-record.ts";
import { redact } from "../policy/redact.ts";
import { packageDirectoryOf } from "../runtime/runtime-marker.ts";
import { noteInAudit } from "../telemetry/note-in-audit.ts";
import { observeAll } from "../telemetry/observe-all.ts";
import { inspectInWorker } from "../workers/inspect-worker.ts";
import { LoadQueue } from "../workers/load-queue.ts";
import type { WorkerSession } from "../workers/worker-session.ts";
import type { ClusterParts } from "./cluster-parts.ts";
import { type ComposedWorkers, composeWorkers } from "./compose-workers.ts";

type Config = ClusterParts["config"];

export interface ClusterComposition extends Pick<ComposedWorkers, "pool" | "runtimeWatch"> {
  readonly cluster: ModelCluster;
  readonly ledger: MemoryLedger;
  readonly sweep: CompatSweep;
}

/** All models with what they share: memory, registry, admission, the queue of loads, the workers' pool. */
export function composeCluster(parts: ClusterParts): ClusterComposition {
  const { catalogue, state } = parts;
  const workers = composeWorkers(parts, () => cluster);
  const { spawn, pool, runtimeWatch } = workers;
  const loads = new LoadQueue();
  const ledger = new MemoryLedger({
    readMachine: readMachineMemory,
    config: () => parts.config.memory,
    use: (modelId) => cluster.use(modelId),
    longestReturnMs: longestReturnMs(process.platform),
    now: () => performance.now(),
  });
  const memory = new MemoryAdmission({ ledger, makeRoom: (ids, signal) => cluster.makeRoom(ids, signal) });
  const admission = composeAdmission(parts, workers, memory);
  const cluster: ModelCluster = new ModelCluster({
    catalogue,
    get autoLoad() {
      return parts.config.auto_load;
    },
    audit: (entry) => noteInAudit(state.audit, entry),
    get holdMs() {
      return parts.config.timeouts.hold_seconds * 1000;
    },
    ports: hostPorts(parts, { ...workers, loads, ledger, admission }),
  });
  const sweep = composeSweep(parts, spawn, loads);
  return { cluster, ledger, pool, runtimeWatch, sweep };
}

/** Holds nothing but what it is made of, so a new one is as good as the last. */
function loadHistory({ state, runtime, config }: ClusterParts): LoadHistory {
  return new LoadHistory(state.registry, config.load_on_request, () => runtime.built?.versions ?? null);
}

function composeAdmission(
  parts: ClusterParts,
  { pool, runtimeWatch }: ComposedWorkers,
  memory: MemoryAdmission,
): ModelAdmission {
  const { runtime, telemetry } = parts;
  const settings = (modelId: string) => settingsOf(parts.config, modelId);
  return new ModelAdmission({
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
          telemetry.workerLogs.attach(entry.id, session);
          return session;
        },
        params: inspectParams(entry, settings(entry.id)),
        timeouts: parts.config.timeouts,
        signal,
      }),
    memory,
    record: loadHistory(parts),
    settings,
    get config() {
      return parts.config;
    },
  });
}

interface SharedByHosts extends ComposedWorkers {
  readonly loads: LoadQueue;
  readonly ledger: MemoryLedger;
  readonly admission: ModelAdmission;
}

/** What each model needs of the rest. */
function hostPorts(parts: ClusterParts, shared: SharedByHosts): HostPorts {
  const { state, telemetry, log } = parts;
  const { pool, runtimeWatch, loads, ledger, admission } = shared;
  const { metrics, performance: figures, events, dossiers, workerLogs } = telemetry;
  const settings = (modelId: string) => settingsOf(parts.config, modelId);
  const now = () => performance.now();
  const history = failureHistory(parts);
  return {
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
    clean: (text) => redact(text, telemetry.redaction()),
    oomKills,
    capBytes: (modelId) => settings(modelId).memory_limit_bytes ?? parts.config.memory.limit_bytes ?? null,
    intents: new LoadIntents(state.intents, state.bootId),
    loads,
    get record() {
      return loadHistory(parts);
    },
    admission,
    history: countQuarantines(history, (model, rule) => metrics.quarantined(model, rule)),
    runtimeFailed: (modelId, cause, message) => {
      const wasBroken = runtimeWatch.broken !== null;
      runtimeWatch.failed(modelId, cause, message);
      if (wasBroken || runtimeWatch.broken === null) return;
      events.emit({ type: "runtime_broken", reason: { code: "worker_runtime_broken", cause, message } });
    },
    memoryBack: (modelId) => untilMemoryIsBack(ledger, modelId, now),
    measured: (modelId, bytes, by) => {
      if (by === "system" || bytes === null) ledger.setMeasured(modelId, bytes);
      else ledger.setReported(modelId, bytes);
    },
    now,
    random: Math.random,
    observer: observeAll(metrics.observer, figures.observer),
    events,
    dossiers,
    workerLogs,
    log,
  };
}

function failureHistory(parts: ClusterParts): FailureHistory {
  return new FailureHistory({
    store: parts.state.quarantine,
    get numbers() {
      return quarantineNumbers(parts.config);
    },
    versions: () => parts.runtime.built?.versions ?? null,
  });
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
