import { createRoute, z } from "@hono/zod-openapi";
import {
  loadRequestSchema,
  loadResultSchema,
  modelListSchema,
  probeRequestSchema,
  probeResultSchema,
  unloadRequestSchema,
  unloadResultSchema,
} from "../../../shared/admin.ts";
import type { App, RouteContext } from "../app-context.ts";
import { auditContext } from "../callers/audit-context.ts";
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
    200: {
      description: "Loaded and routable; with `dry_run` the verdict of a probe",
      content: jsonContent(z.union([loadResultSchema, probeResultSchema])),
    },
    202: { description: "With `wait: false`: begun", content: jsonContent(unloadResultSchema) },
    ...ERROR_RESPONSE,
  },
});

const probeRoute = createRoute({
  method: "post",
  path: "/admin/models/probe",
  summary: "Say whether a model can be loaded, check by check, without loading it",
  request: jsonRequest(probeRequestSchema),
  responses: {
    200: { description: "The verdict; a refusal is an answer too", content: jsonContent(probeResultSchema) },
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

/** `GET /admin/models`, `POST /admin/models/load`, `probe` and `unload`. A load goes on when its client leaves. */
export function addAdminModelsRoutes(app: App, { cluster }: RouteContext): void {
  app.openapi(listRoute, async (c) =>
    c.json({ object: "list" as const, data: await cluster.listModels() }, 200),
  );

  app.openAPIRegistry.registerPath(loadRoute);
  app.post("/admin/models/load", jsonBody(loadRequestSchema), async (c) => {
    const { model_id, wait, dry_run, override_safe_mode, allow_unsupported_runtime, reason } =
      c.req.valid("json");
    c.set("model", model_id);
    const allowUnsupportedRuntime = allow_unsupported_runtime;
    if (dry_run) return c.json(await cluster.probe(model_id, { allowUnsupportedRuntime }));
    const options = {
      overrideSafeMode: override_safe_mode,
      allowUnsupportedRuntime,
      audit: auditContext(c, reason),
    };
    if (wait) return c.json(await cluster.load(model_id, options));
    const { id, readiness } = await cluster.startLoad(model_id, options);
    return c.json({ model_id: id, readiness }, 202);
  });

  app.openAPIRegistry.registerPath(probeRoute);
  app.post("/admin/models/probe", jsonBody(probeRequestSchema), async (c) => {
    const { model_id, allow_unsupported_runtime } = c.req.valid("json");
    c.set("model", model_id);
    return c.json(await cluster.probe(model_id, { allowUnsupportedRuntime: allow_unsupported_runtime }));
  });

  app.openAPIRegistry.registerPath(unloadRoute);
  app.post("/admin/models/unload", jsonBody(unloadRequestSchema), async (c) => {
    const { model_id, reason } = c.req.valid("json");
    c.set("model", model_id);
    return c.json(await cluster.unload(model_id, auditContext(c, reason)));
  });
}
