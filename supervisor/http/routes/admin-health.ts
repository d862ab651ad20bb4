import { createRoute } from "@hono/zod-openapi";
import { healthPageSchema } from "../../../shared/admin-health.ts";
import { describeFreeMemory } from "../../policy/memory/describe-free-memory.ts";
import { judgeHealth } from "../../policy/service/judge-health.ts";
import type { App, RouteContext } from "../app-context.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";
import type { ConnectionCount } from "../server/connections.ts";
import type { MemorySource } from "./admin-memory.ts";

/** What the health page shows beside the service's status. */
export interface HealthSource {
  /** 99th percentile of how late timers come, milliseconds. */
  eventLoopLagMs(): number;
  /** Why no worker can be started; null: they can. */
  runtimeBroken(): string | null;
  /** Clients' connections. */
  connections(): ConnectionCount;
  /** Workers that wait for a model. */
  spareWorkers(): number;
}

export interface HealthParts extends Pick<RouteContext, "cluster" | "service"> {
  readonly health: HealthSource;
  readonly memory: MemorySource;
}

const route = createRoute({
  method: "get",
  path: "/admin/health",
  summary: "Judge the whole service, check by check",
  responses: {
    200: { description: "The verdict, whatever it is", content: jsonContent(healthPageSchema) },
    ...ERROR_RESPONSE,
  },
});

/** `GET /admin/health`: one page for people; programs ask `/readyz`. */
export function addAdminHealthRoute(app: App, parts: HealthParts): void {
  app.openapi(route, async (c) => {
    c.header("cache-control", "no-store");
    return c.json(await healthPage(parts), 200);
  });
}

async function healthPage({ cluster, service, health, memory }: HealthParts) {
  const { machine, freeBytes, holders } = await memory.snapshot();
  const { safe_mode, runtime, degraded } = service.status();
  return judgeHealth({
    isDraining: service.draining(),
    safeMode: safe_mode,
    runtime,
    runtimeBroken: health.runtimeBroken(),
    models: cluster.models().map(({ id, readiness: { state, detail } }) => ({ id, state, detail })),
    expectsModels: service.ready().reason === "no_model_routable",
    eventLoopLagMs: health.eventLoopLagMs(),
    connections: health.connections(),
    freeBytes,
    freeReason: describeFreeMemory({ machine, configured: memory.config(), holders }),
    degraded,
  });
}
