import type { Logger } from "pino";
import { type ModelSettings, modelSettingsSchema } from "../shared/config.ts";
import { inspectInWorker } from "./cluster/inspect-worker.ts";
import { launchWorker, type WorkerPlaces } from "./cluster/launch-worker.ts";
import { LoadQueue } from "./cluster/load-queue.ts";
import { MemoryDesk } from "./cluster/memory-desk.ts";
import { MemoryLedger } from "./cluster/memory-ledger.ts";
import { ModelAdmission } from "./cluster/model-admission.ts";
import { ModelCluster, type ModelClusterOptions } from "./cluster/model-cluster.ts";
import { ModelRecord } from "./cluster/model-record.ts";
import type { ClusterObserver } from "./cluster/observer.ts";
import { WorkerPool } from "./cluster/worker-pool.ts";
import { readMachineMemory } from "./host/machine-memory.ts";
import type { LoadedConfig } from "./load-config.ts";
import type { Catalogue, CatalogueEntry } from "./models/catalogue.ts";
import { PROCESS_BYTES } from "./policy/memory-estimate.ts";
import { packageDirectoryOf, type Runtime } from "./runtime/runtime-marker.ts";
import type { CompatibilityRegistry } from "./store/compatibility-registry.ts";

export interface ClusterParts {
  readonly config: LoadedConfig["config"];
  readonly catalogue: Catalogue;
  readonly registry: CompatibilityRegistry;
  /** `built` is null until `ready` resolves. */
  readonly runtime: { readonly ready: Promise<Runtime>; readonly built: Runtime | null };
  readonly places: WorkerPlaces;
  readonly observer: ClusterObserver;
  readonly audit: ModelClusterOptions["audit"];
  readonly log: Logger;
}

/** All models with what they share: memory, registry, admission, the queue of loads. */
export function composeCluster(parts: ClusterParts): {
  cluster: ModelCluster;
  ledger: MemoryLedger;
  pool: WorkerPool;
} {
  const { config, catalogue, registry, runtime, log } = parts;
  const pool = new WorkerPool({
    spawn: async () => await launchWorker((await runtime.ready).python, parts.places, log),
    keepSpare: config.spare_worker,
    hasRoom: async () => {
      const { availableBytes } = await readMachineMemory();
      return availableBytes === null || availableBytes > config.memory.reserve_bytes + PROCESS_BYTES;
    },
    initializeMs: config.timeouts.initialize_seconds * 1000,
    log,
  });
  const settings = (modelId: string) => settingsOf(config, modelId);
  const record = new ModelRecord(registry, config.load_on_request, () => runtime.built?.versions ?? null);
  const ledger = new MemoryLedger({
    readMachine: readMachineMemory,
    config: () => config.memory,
    use: (modelId) => cluster.use(modelId),
  });
  const admission = new ModelAdmission({
    runtime: async () => {
      const ready = await runtime.ready;
      return { versions: ready.versions, packageDirectory: packageDirectoryOf(ready) };
    },
    inspect: (entry, signal) =>
      inspectInWorker({
        launch: () => pool.take("inspect"),
        params: inspectParams(entry, settings(entry.id)),
        timeouts: config.timeouts,
        signal,
      }),
    memory: new MemoryDesk({ ledger, makeRoom: (ids, signal) => cluster.makeRoom(ids, signal) }),
    record,
    settings,
    config,
  });
  const cluster: ModelCluster = new ModelCluster({
    catalogue,
    autoLoad: config.auto_load,
    audit: parts.audit,
    holdMs: config.timeouts.hold_seconds * 1000,
    ports: {
      launch: () => pool.take("load"),
      settings,
      idleMs: (modelId) => idleMsOf(config, modelId),
      timeouts: config.timeouts,
      loads: new LoadQueue(),
      record,
      admission,
      measured: (modelId, bytes) => ledger.setMeasured(modelId, bytes),
      now: () => performance.now(),
      random: Math.random,
      observer: parts.observer,
      log,
    },
  });
  return { cluster, ledger, pool };
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

function idleMsOf(config: LoadedConfig["config"], modelId: string): number | null {
  const settings = settingsOf(config, modelId);
  const seconds = settings.pinned ? null : (settings.idle_seconds ?? config.idle_seconds);
  return seconds === null ? null : seconds * 1000;
}

function settingsOf({ models }: LoadedConfig["config"], modelId: string): ModelSettings {
  return models[modelId] ?? modelSettingsSchema.parse({});
}
