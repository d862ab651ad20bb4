import { createRoute, z } from "@hono/zod-openapi";
import { modelPerformanceSchema } from "../../../shared/admin-performance.ts";
import type { PerformanceFigures } from "../../telemetry/performance.ts";
import type { App, RouteContext } from "../app-context.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";

/** Where the figures come from; the performance log fits. */
export interface PerformanceSource {
  /** @param model catalogue id */
  of(model: string): PerformanceFigures;
}

const route = createRoute({
  method: "get",
  path: "/admin/models/{id}/performance",
  summary: "Show a model's speed, requests and memory; its id may contain slashes",
  request: {
    params: z.object({ id: z.string().describe("model id or alias, slashes as they are or as %2F") }),
  },
  responses: {
    200: { description: "The figures", content: jsonContent(modelPerformanceSchema) },
    ...ERROR_RESPONSE,
  },
});

/** `GET /admin/models/{id}/performance`, from memory: no worker is asked. */
export function addAdminPerformanceRoute(
  app: App,
  { cluster, performance }: Pick<RouteContext, "cluster"> & { readonly performance: PerformanceSource },
): void {
  app.openAPIRegistry.registerPath(route);
  // Registered by hand: the document's {id} would become a route that ends at the first slash.
  app.get("/admin/models/:id{.+}/performance", (c) => {
    const { id, readiness } = cluster.model(c.req.param("id"));
    return c.json({ model_id: id, readiness, ...performance.of(id) });
  });
}
