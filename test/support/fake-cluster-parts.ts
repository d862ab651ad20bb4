import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { modelSettingsSchema, timeoutsSchema } from "../../shared/config.ts";
import type { WorkerMethod } from "../../shared/worker-protocol.ts";
import type { LoadHistory } from "../../supervisor/cluster/admission/load-history.ts";
import { NO_DOSSIERS } from "../../supervisor/cluster/dossiers/dossiers.ts";
import { type HostPorts, ModelHost } from "../../supervisor/cluster/model-host.ts";
import type { CatalogueEntry } from "../../supervisor/models/catalogue-entry.ts";
import { NO_FAILURES, QUARANTINE_DEFAULTS } from "../../supervisor/policy/lifecycle/failure-record.ts";
import { NO_EVENTS } from "../../supervisor/telemetry/event-log.ts";
import { type ClusterObserver, NO_OBSERVER } from "../../supervisor/telemetry/observer.ts";
import { LoadQueue } from "../../supervisor/workers/load-queue.ts";
import { NO_WORKER_LOGS } from "../../supervisor/workers/worker-logs.ts";
import { FakeWorker } from "./fake-worker.ts";

export const ENTRY: CatalogueEntry = {
  id: "m",
  path: "/m",
  root: "/",
  sizeBytes: 1,
  modelType: "llama",
  contextLength: 100,
  digest: "d1",
};

/** Admits everything at once. */
export const ADMITS: HostPorts["admission"] = {
  examine: async () => ({
    result: {
      model_id: "m",
      verdict: "admit",
      code: null,
      checks: [],
      memory: { weights_bytes: null, kv_bytes_per_token: null, required_bytes: null, available_bytes: null },
    },
    failure: null,
    overridden: [],
    structure: null,
    cacheBudgetBytes: null,
  }),
  release: () => {},
};

/** Remembers nothing beyond the host, under one key per digest. */
export const NO_HISTORY: HostPorts["history"] = {
  keyOf: ({ digest }) => digest,
  read: () => NO_FAILURES,
  save: async () => {},
  numbers: QUARANTINE_DEFAULTS,
};

interface FakeOptions {
  manual?: readonly WorkerMethod[];
  mayStart?: boolean;
  /** Workers that are told to leave are gone after this. */
  stops?: Promise<void>;
  observer?: ClusterObserver;
  /** Stand in for the usual fakes. */
  ports?: Partial<HostPorts>;
}

/** A real host over fake workers; everything the host asked for is recorded. */
export function hostWithFakes(options: FakeOptions = {}) {
  const { ports, workers, outcomes } = fakePorts(options);
  return { host: new ModelHost(ENTRY, ports), workers, outcomes };
}

/** What a host asks for, faked; what was asked for is recorded. */
export function fakePorts(options: FakeOptions = {}) {
  const workers: FakeWorker[] = [];
  const outcomes: string[] = [];
  const record = {
    mayStartOnRequest: () => options.mayStart ?? false,
    outcome: (_entry: unknown, outcome: string, reason: { cause: string } | null) =>
      outcomes.push(reason === null ? outcome : `${outcome} ${reason.cause}`),
  } as unknown as LoadHistory;
  const ports: HostPorts = {
    launch: async () => {
      const worker = new FakeWorker(1000 + workers.length, options.manual, options.stops);
      workers.push(worker);
      return worker.session;
    },
    settings: () => modelSettingsSchema.parse({}),
    idleMs: () => null,
    timeouts: timeoutsSchema.parse({}),
    forgiveMs: 600_000,
    clean: (text) => text,
    oomKills: () => null,
    capBytes: () => null,
    intents: { begin: async () => {}, end: () => {} },
    loads: new LoadQueue(),
    record,
    admission: ADMITS,
    history: NO_HISTORY,
    runtimeFailed: () => {},
    memoryBack: async () => {},
    measured: () => {},
    now: () => performance.now(),
    random: () => 0.5,
    observer: options.observer ?? NO_OBSERVER,
    events: NO_EVENTS,
    dossiers: NO_DOSSIERS,
    workerLogs: NO_WORKER_LOGS,
    log: pino({ level: "silent" }),
    ...options.ports,
  };
  return { ports, workers, outcomes };
}

/** A request unlike any other. */
export function anyPrint(): () => string {
  const id = randomUUID();
  return () => id;
}
