import type { ModelDetail, Status } from "../../shared/admin.ts";
import type { ModelCluster } from "../cluster/model-cluster.ts";
import type { Service, ServiceReadiness } from "../http/service.ts";

export interface StatusFacts {
  readonly version: string;
  readonly stateDirectory: string;
  readonly cluster: ModelCluster;
  /** What lives in memory only, and why. */
  degraded(): string[];
  /** Why the service is in safe mode; null: it is not. */
  safeMode(): string | null;
  /** Why no worker can be started; null: they can. */
  runtimeBroken(): string | null;
  readonly autoLoad: readonly string[];
  runtime(): Status["runtime"];
  draining(): boolean;
}

/** The service's own condition, from memory: nothing here waits on a worker. */
export function serviceStatus(facts: StatusFacts): Service {
  const startedAt = new Date();
  return {
    draining: facts.draining,
    ready: () => readiness(facts),
    status: () => ({
      status: facts.draining() ? "draining" : "ok",
      version: facts.version,
      pid: process.pid,
      started_at: startedAt.toISOString(),
      uptime_seconds: process.uptime(),
      state_directory: facts.stateDirectory,
      runtime: facts.runtime(),
      models: countStates(facts.cluster.models()),
      requests_in_flight: facts.cluster.requestsInFlight,
      safe_mode: facts.safeMode(),
      degraded: facts.degraded(),
    }),
  };
}

/** Why no traffic should be sent here; the first that holds is told. */
export const SERVICE_REASONS = [
  "draining",
  "safe_mode",
  "worker_runtime_broken",
  "no_model_routable",
] as const;

function readiness(facts: StatusFacts): ServiceReadiness {
  const { draining, safeMode, runtimeBroken, cluster, autoLoad } = facts;
  const models = countStates(cluster.models());
  const holds: Readonly<Record<(typeof SERVICE_REASONS)[number], boolean>> = {
    draining: draining(),
    safe_mode: safeMode() !== null,
    worker_runtime_broken: runtimeBroken() !== null,
    no_model_routable: autoLoad.length > 0 && (models.routable ?? 0) === 0,
  };
  const reason = SERVICE_REASONS.find((word) => holds[word]) ?? null;
  return { ok: reason === null, reason, details: { models } };
}

function countStates(models: readonly ModelDetail[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { readiness } of models) counts[readiness.state] = (counts[readiness.state] ?? 0) + 1;
  return counts;
}
