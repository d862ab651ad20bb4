import type { App, RouteContext } from "../app-context.ts";
import type { HealthSource } from "./admin-health.ts";
import type { MemorySource } from "./admin-memory.ts";

export interface MetricsParts extends Pick<RouteContext, "cluster" | "metrics"> {
  readonly health: HealthSource;
  readonly memory: MemorySource;
}

/** `GET /metrics`: Prometheus text, from memory and a look at the machine; no worker is asked. */
export function addMetricsRoute(app: App, { cluster, metrics, health, memory }: MetricsParts): void {
  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/metrics",
    summary: "Numbers for Prometheus; takes any configured key, also as `Authorization: Bearer`",
    responses: {
      200: { description: "The numbers", content: { "text/plain": { schema: { type: "string" } } } },
    },
  });
  app.get("/metrics", async (c) => {
    const now = {
      memory: await memory.snapshot(),
      spareWorkers: health.spareWorkers(),
      connections: health.connections(),
      eventLoopLagMs: health.eventLoopLagMs(),
    };
    return c.body(await metrics.render(cluster.models(), now), 200, { "content-type": metrics.contentType });
  });
}
