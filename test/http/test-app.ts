import { pino } from "pino";
import type { ConfigReload, ConfigReport } from "../../shared/admin-config.ts";
import type { SweepStatus } from "../../shared/admin-sweep.ts";
import { clientsSchema } from "../../shared/config.ts";
import type { ErrorEnvelope } from "../../shared/openai.ts";
import type { MemorySnapshot } from "../../supervisor/cluster/admission/memory-ledger.ts";
import type { App, HttpConfig } from "../../supervisor/http/app-context.ts";
import type { RequestMemory } from "../../supervisor/http/body/request-memory.ts";
import type { Owners } from "../../supervisor/http/callers/owners.ts";
import { createApp } from "../../supervisor/http/create-app.ts";
import { Metrics } from "../../supervisor/http/metrics/metrics.ts";
import type { AuditSource } from "../../supervisor/http/routes/admin-audit.ts";
import type { ConfigControl } from "../../supervisor/http/routes/admin-config.ts";
import type { DossierSource } from "../../supervisor/http/routes/admin-dossiers.ts";
import type { SafeModeControl } from "../../supervisor/http/routes/admin-safe-mode.ts";
import type { Service, ServiceReadiness } from "../../supervisor/http/service.ts";
import type { Actor, AuditContext } from "../../supervisor/telemetry/audit-context.ts";
import { EventLog } from "../../supervisor/telemetry/event-log.ts";
import { PerformanceLog } from "../../supervisor/telemetry/performance.ts";
import { FakeCluster } from "./fake-cluster.ts";

export const STARTED_AT = "2026-01-02T03:00:00.000Z";

/** A service whose answers a test sets. */
class FakeService implements Service {
  isDraining = false;
  readiness: ServiceReadiness = { ok: true, reason: null, details: { workers: 1 } };

  draining(): boolean {
    return this.isDraining;
  }

  ready(): ServiceReadiness {
    return this.readiness;
  }

  status() {
    return {
      status: "ok" as const,
      version: "0.1.0",
      pid: 1,
      started_at: STARTED_AT,
      uptime_seconds: 5,
      state_directory: "/state",
      runtime: null,
      models: { routable: 1 },
      requests_in_flight: 0,
      safe_mode: null,
      degraded: [],
    };
  }
}

/** A safe mode that notes who ended it. */
class FakeSafeMode implements SafeModeControl {
  isOn = false;
  readonly words: AuditContext[] = [];

  async leave(word: AuditContext): Promise<boolean> {
    this.words.push(word);
    const wasOn = this.isOn;
    this.isOn = false;
    return wasOn;
  }
}

/** A configuration that notes who had it read again. */
class FakeSettings implements ConfigControl {
  readonly actors: Actor[] = [];
  report: ConfigReport = {
    config_file: "/config.yaml",
    state_directory: "/state",
    values: [],
    needs_restart: [],
  };
  onReload: () => ConfigReload = () => ({
    applied: [],
    needs_restart: [],
    unchanged: 1,
    loading: [],
    not_loaded: [],
  });

  show(): ConfigReport {
    return this.report;
  }

  async reload(actor: Actor): Promise<ConfigReload> {
    this.actors.push(actor);
    return this.onReload();
  }
}

/** A machine of 100 bytes of which nothing is held. */
const ROOMY: MemorySnapshot = {
  machine: { totalBytes: 100, availableBytes: 80, limitBytes: null, source: "a test" },
  limitBytes: 100,
  reserveBytes: 10,
  heldBytes: 0,
  freeBytes: 70,
  holders: [],
};

/** What the service's health is made of; a test sets it. */
class FakeCondition {
  lagMs = 1;
  runtimeProblem: string | null = null;
  memory: MemorySnapshot = ROOMY;
  spares = 0;
  readonly eventLoopLagMs = () => this.lagMs;
  readonly runtimeBroken = () => this.runtimeProblem;
  connectionCount = { open: 0, limit: 100 };
  readonly connections = () => this.connectionCount;
  readonly spareWorkers = () => this.spares;
}

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface TestApp {
  readonly app: App;
  readonly metrics: Metrics;
  readonly cluster: FakeCluster;
  readonly service: FakeService;
  readonly safeMode: FakeSafeMode;
  readonly settings: FakeSettings;
  readonly condition: FakeCondition;
  readonly performance: PerformanceLog;
  /** Puts another configuration in force. */
  configure(config: Partial<HttpConfig>): void;
  readonly logLines: LogLine[];
}

const NO_SWEEP: SweepStatus = {
  id: null,
  state: "idle",
  total: 0,
  done: 0,
  current: null,
  runtime: null,
  started_at: null,
  results: [],
};

const NO_KEYS: HttpConfig = {
  host: "127.0.0.1",
  api_keys: [],
  admin_keys: [],
  allowed_origins: [],
  trusted_proxy: false,
  clients: clientsSchema.parse({}),
};

export interface TestAppOptions {
  readonly cluster?: FakeCluster;
  readonly config?: Partial<HttpConfig>;
  readonly keepAliveMs?: number;
  readonly requestMemory?: RequestMemory;
  readonly owners?: Owners;
  readonly audit?: AuditSource;
  readonly dossiers?: DossierSource;
  readonly events?: EventLog;
}

/** An app on fakes, with everything it logs kept. */
export function testApp({
  cluster = new FakeCluster(),
  config = {},
  keepAliveMs,
  requestMemory,
  owners,
  audit = { query: () => [] },
  dossiers = { list: async () => [], get: async () => null, unreadable: () => [] },
  events = new EventLog(),
}: TestAppOptions = {}): TestApp {
  const service = new FakeService();
  const safeMode = new FakeSafeMode();
  const logLines: LogLine[] = [];
  const metrics = new Metrics();
  const settings = new FakeSettings();
  const condition = new FakeCondition();
  const performance = new PerformanceLog();
  let current = { ...NO_KEYS, ...config };
  const app = createApp({
    cluster,
    service,
    metrics,
    compatibility: { entries: () => [] },
    sweep: {
      start: async () => ({ id: "s1", total: 1 }),
      status: () => NO_SWEEP,
      cancel: async () => NO_SWEEP,
    },
    audit,
    safeMode,
    dossiers,
    events,
    get config() {
      return current;
    },
    settings,
    memory: {
      snapshot: async () => condition.memory,
      config: () => ({ reserve_bytes: condition.memory.reserveBytes, evict: "never" }),
    },
    performance,
    health: condition,
    log: pino({ level: "trace" }, { write: (line: string) => void logLines.push(JSON.parse(line)) }),
    ...(keepAliveMs !== undefined && { keepAliveMs }),
    ...(requestMemory !== undefined && { requestMemory }),
    ...(owners !== undefined && { owners }),
  });
  const configure = (changes: Partial<HttpConfig>) => {
    current = { ...current, ...changes };
  };
  return {
    app,
    metrics,
    cluster,
    service,
    safeMode,
    settings,
    condition,
    performance,
    configure,
    logLines,
  };
}

export const JSON_TYPE = { "content-type": "application/json" };

export function post(
  app: App,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    app.request(path, { method: "POST", headers: { ...JSON_TYPE, ...headers }, body: text }),
  );
}

export const CHAT = { model: "demo", messages: [{ role: "user", content: "ping" }] };

export function chat(app: App, extra: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  return post(app, "/v1/chat/completions", { ...CHAT, ...extra }, headers);
}

/** The error of a reply; throws when it is not the full envelope. */
export async function errorOf(response: Response): Promise<ErrorEnvelope["error"]> {
  const { error } = (await response.json()) as ErrorEnvelope;
  for (const key of ["message", "type", "param", "code"]) {
    if (!Object.hasOwn(error, key)) throw new Error(`the envelope lacks ${key}: ${JSON.stringify(error)}`);
  }
  return error;
}

/** `data:` payloads of an event stream, `[DONE]` as it is. */
export function dataFrames(text: string): unknown[] {
  const frames = text.split("\n\n").filter((frame) => frame.startsWith("data: "));
  return frames.map((frame) =>
    frame === "data: [DONE]" ? "[DONE]" : JSON.parse(frame.slice("data: ".length)),
  );
}
