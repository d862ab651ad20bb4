import type { HealthPage } from "../../../shared/admin-health.ts";
import { humanBytes } from "../human-bytes.ts";

type HealthCheck = HealthPage["checks"][number];

/** What the whole service's health is judged by. */
export interface HealthFacts {
  readonly isDraining: boolean;
  /** Why the service is in safe mode; null: it is not. */
  readonly safeMode: string | null;
  /** Where the Python runtime stands; null: it is still being built. */
  readonly runtime: { readonly python: string } | null;
  /** Why no worker can be started; null: they can. */
  readonly runtimeBroken: string | null;
  /** Every model's state, with its detail. */
  readonly models: readonly {
    readonly id: string;
    readonly state: string;
    readonly detail: string | null;
  }[];
  /** Models are to be loaded on their own, so that none of them serving is a failure. */
  readonly expectsModels: boolean;
  /** 99th percentile of late timers, milliseconds. */
  readonly eventLoopLagMs: number;
  /** Clients' connections. */
  readonly connections: { readonly open: number; readonly limit: number };
  /** What may still be promised to models, bytes; null: not known. */
  readonly freeBytes: number | null;
  /** How that comes about. */
  readonly freeReason: string;
  /** What lives in memory only, and why. */
  readonly degraded: readonly string[];
}

/** `/livez` is to be answered within this. Milliseconds. */
const SLOW_EVENT_LOOP_MS = 100;
/** From here on the limit of connections is near. */
const CROWDED_PART = 0.9;
/** A list of models names no more than these. */
const NAMED_MODELS = 5;

/** The whole service on one page: the worst check is the status. */
export function judgeHealth(facts: HealthFacts): HealthPage {
  const checks = [
    serviceCheck(facts),
    safeModeCheck(facts),
    runtimeCheck(facts),
    modelsCheck(facts),
    eventLoopCheck(facts),
    connectionsCheck(facts),
    memoryCheck(facts),
    storesCheck(facts),
  ];
  const has = (status: HealthCheck["status"]) => checks.some((check) => check.status === status);
  return { status: has("fail") ? "unavailable" : has("warn") ? "degraded" : "ok", checks };
}

function serviceCheck({ isDraining }: HealthFacts): HealthCheck {
  const detail = isDraining ? "stopping: running requests finish, new ones are refused" : "takes requests";
  return { name: "service", status: isDraining ? "fail" : "pass", detail };
}

function safeModeCheck({ safeMode }: HealthFacts): HealthCheck {
  if (safeMode === null) return { name: "safe_mode", status: "pass", detail: "not in safe mode" };
  return { name: "safe_mode", status: "fail", detail: `${safeMode}; leave it with: lmx safe-mode leave` };
}

function runtimeCheck({ runtime, runtimeBroken }: HealthFacts): HealthCheck {
  const name = "runtime";
  if (runtimeBroken !== null) return { name, status: "fail", detail: runtimeBroken };
  if (runtime === null) return { name, status: "warn", detail: "the Python runtime is being built" };
  return { name, status: "pass", detail: runtime.python };
}

function modelsCheck({ models, expectsModels }: HealthFacts): HealthCheck {
  const name = "models";
  const states = Map.groupBy(models, ({ state }) => state);
  const counts = [...states].map(([state, those]) => `${those.length} ${state}`).join(", ");
  const troubled = models.filter(({ state, detail }) => state === "quarantined" || detail === "stalled");
  const detail = [counts || "none on disk", ...(troubled.length === 0 ? [] : [named(troubled)])].join("; ");
  if (expectsModels && !states.has("routable")) return { name, status: "fail", detail };
  return { name, status: troubled.length > 0 ? "warn" : "pass", detail };
}

function named(models: HealthFacts["models"]): string {
  const shown = models
    .slice(0, NAMED_MODELS)
    .map(({ id, state, detail }) => `${id} is ${detail ?? state}`)
    .join(", ");
  const more = models.length - NAMED_MODELS;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function eventLoopCheck({ eventLoopLagMs }: HealthFacts): HealthCheck {
  const isSlow = eventLoopLagMs >= SLOW_EVENT_LOOP_MS;
  const detail = `timers come ${eventLoopLagMs.toFixed(1)} ms late (99th percentile; expected < ${SLOW_EVENT_LOOP_MS} ms)`;
  return { name: "event_loop", status: isSlow ? "warn" : "pass", detail };
}

function connectionsCheck({ connections: { open, limit } }: HealthFacts): HealthCheck {
  const isNear = open >= limit * CROWDED_PART;
  const next = "close idle clients, or raise the limit of open files (ulimit -n) and max_connections";
  const detail = `${open} of at most ${limit} are open${isNear ? `; ${next}` : ""}`;
  return { name: "connections", status: isNear ? "warn" : "pass", detail };
}

function memoryCheck({ freeBytes, freeReason }: HealthFacts): HealthCheck {
  const free = freeBytes === null ? "what is free is not known" : `${humanBytes(freeBytes, "down")} free`;
  return {
    name: "memory",
    status: freeBytes === 0 ? "warn" : "pass",
    detail: `${free}: ${freeReason}`,
  };
}

function storesCheck({ degraded }: HealthFacts): HealthCheck {
  if (degraded.length === 0) return { name: "stores", status: "pass", detail: "everything is on the disk" };
  return { name: "stores", status: "warn", detail: degraded.join("; ") };
}
