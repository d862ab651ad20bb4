import { createRoute } from "@hono/zod-openapi";
import { statusSchema } from "../../../shared/admin.ts";
import type { App, RouteContext } from "../app-context.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";

const route = createRoute({
  method: "get",
  path: "/admin/status",
  summary: "Describe the running service",
  responses: { 200: { description: "The service", content: jsonContent(statusSchema) }, ...ERROR_RESPONSE },
});

/** `GET /admin/status`. */
export function addAdminStatusRoute(app: App, { service }: RouteContext): void {
  app.openapi(route, (c) => c.json(service.status(), 200));
}
