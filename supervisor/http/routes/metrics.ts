import type { App, RouteContext } from "../app-context.ts";

/** `GET /metrics`: Prometheus text, from memory; no worker is asked. */
export function addMetricsRoute(app: App, { cluster, metrics }: RouteContext): void {
  app.openAPIRegistry.registerPath({
    method: "get",
    path: "/metrics",
    summary: "Numbers for Prometheus; takes any configured key, also as `Authorization: Bearer`",
    responses: {
      200: { description: "The numbers", content: { "text/plain": { schema: { type: "string" } } } },
    },
  });
  app.get("/metrics", async (c) =>
    c.body(await metrics.render(cluster.models()), 200, { "content-type": metrics.contentType }),
  );
}
