import { createRoute } from "@hono/zod-openapi";
import {
  loadRequestSchema,
  loadResultSchema,
  modelListSchema,
  unloadRequestSchema,
  unloadResultSchema,
} from "../../../shared/admin.ts";
import type { App, RouteContext } from "../app-context.ts";
import { jsonBody } from "../middleware/json-body.ts";
import { ERROR_RESPONSE, jsonContent, jsonRequest } from "../route-responses.ts";

const listRoute = createRoute({
  method: "get",
  path: "/admin/models",
  summary: "List the models with readiness and worker",
  responses: { 200: { description: "All models", content: jsonContent(modelListSchema) }, ...ERROR_RESPONSE },
});

const loadRoute = createRoute({
  method: "post",
  path: "/admin/models/load",
  summary: "Load a model and wait for the outcome",
  request: jsonRequest(loadRequestSchema),
  responses: {
    200: { description: "Loaded and routable", content: jsonContent(loadResultSchema) },
    202: { description: "With `wait: false`: begun", content: jsonContent(unloadResultSchema) },
    ...ERROR_RESPONSE,
  },
});

const unloadRoute = createRoute({
  method: "post",
  path: "/admin/models/unload",
  summary: "Drain a model and end its worker; unloading an unloaded model is a success",
  request: jsonRequest(unloadRequestSchema),
  responses: {
    200: { description: "Unloaded", content: jsonContent(unloadResultSchema) },
    ...ERROR_RESPONSE,
  },
});

/** `GET /admin/models`, `POST /admin/models/load`, `POST /admin/models/unload`. A load goes on when its client leaves. */
export function addAdminModelsRoutes(app: App, { cluster }: RouteContext): void {
  app.openapi(listRoute, async (c) =>
    c.json({ object: "list" as const, data: await cluster.listModels() }, 200),
  );

  app.openAPIRegistry.registerPath(loadRoute);
  app.post("/admin/models/load", jsonBody(loadRequestSchema), async (c) => {
    const { model_id, wait } = c.req.valid("json");
    c.set("model", model_id);
    if (wait) return c.json(await cluster.load(model_id));
    const { id, readiness } = await cluster.startLoad(model_id);
    return c.json({ model_id: id, readiness }, 202);
  });

  app.openAPIRegistry.registerPath(unloadRoute);
  app.post("/admin/models/unload", jsonBody(unloadRequestSchema), async (c) => {
    const { model_id } = c.req.valid("json");
    c.set("model", model_id);
    return c.json(await cluster.unload(model_id));
  });
}
