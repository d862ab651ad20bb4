import type { Logger } from "pino";
import type { App } from "../http/app-context.ts";
import { createApp } from "../http/create-app.ts";
import type { Connections } from "../http/server/connections.ts";
import type { Service } from "../http/service.ts";
import type { AuditLog } from "../store/audit-log.ts";
import type { AuditContext } from "../telemetry/audit-context.ts";
import { noteInAudit } from "../telemetry/note-in-audit.ts";
import { auditedSweep } from "./audited-sweep.ts";
import type { ClusterComposition } from "./compose-cluster.ts";
import { type ReloadParts, reloadConfig } from "./live-config.ts";
import type { State } from "./open-state.ts";
import type { Telemetry } from "./open-telemetry.ts";
import type { ServiceMode } from "./service-mode.ts";

export interface HttpParts {
  readonly composition: ClusterComposition;
  readonly service: Service;
  readonly state: State;
  readonly telemetry: Telemetry;
  readonly reload: ReloadParts;
  readonly mode: ServiceMode;
  readonly connections: Connections;
  readonly log: Logger;
}

/** The HTTP API of a service: each route's source, out of the rooms that have it. */
export function composeHttp(parts: HttpParts): App {
  const { composition, service, state, telemetry, reload, mode, connections, log } = parts;
  const { cluster, ledger, pool, runtimeWatch, sweep } = composition;
  const { live } = reload;
  return createApp({
    cluster,
    service,
    compatibility: state.registry,
    sweep: auditedSweep(sweep, state.audit),
    audit: state.audit,
    safeMode: { leave: (context) => leaveSafeMode(mode, state.audit, context) },
    dossiers: state.dossiers,
    events: telemetry.events,
    get config() {
      return live.config;
    },
    settings: { show: () => live.show(), reload: (actor) => reloadConfig(reload, actor) },
    memory: { snapshot: () => ledger.snapshot(), config: () => live.config.memory },
    performance: telemetry.performance,
    health: {
      eventLoopLagMs: () => telemetry.lag.p99Ms,
      runtimeBroken: () => runtimeWatch.broken,
      connections: () => connections.count,
      spareWorkers: () => (pool.sparePid === null ? 0 : 1),
    },
    metrics: telemetry.metrics,
    log,
    refusals: telemetry.refusals,
  });
}

async function leaveSafeMode(mode: ServiceMode, audit: AuditLog, context: AuditContext): Promise<boolean> {
  await noteInAudit(audit, { action: "leave_safe_mode", model: null, ...context });
  return await mode.leave();
}
