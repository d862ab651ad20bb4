import { createRoute, z } from "@hono/zod-openapi";
import type { ModelDetail } from "../../../shared/admin.ts";
import { type OpenaiModel, openaiModelListSchema, openaiModelSchema } from "../../../shared/openai.ts";
import type { App, RouteContext } from "../app-context.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";

const listRoute = createRoute({
  method: "get",
  path: "/v1/models",
  summary: "List the models on disk, whatever their state",
  responses: {
    200: { description: "All models", content: jsonContent(openaiModelListSchema) },
    ...ERROR_RESPONSE,
  },
});

const oneRoute = createRoute({
  method: "get",
  path: "/v1/models/{id}",
  summary: "Describe one model; its id may contain slashes",
  request: {
    params: z.object({ id: z.string().describe("model id or alias, slashes as they are or as %2F") }),
  },
  responses: {
    200: { description: "The model", content: jsonContent(openaiModelSchema) },
    ...ERROR_RESPONSE,
  },
});

/** `GET /v1/models` and `GET /v1/models/{id}`, also without `/v1`. */
export function addModelsRoutes(app: App, { cluster, service }: RouteContext): void {
  // Asked once: a status counts all models.
  const startedAt = Date.parse(service.status().started_at);
  const describe = (model: ModelDetail) => describeModel(model, startedAt);
  app.openAPIRegistry.registerPath(listRoute);
  app.openAPIRegistry.registerPath(oneRoute);
  for (const path of ["/v1/models", "/models"]) {
    app.get(path, async (c) => c.json({ object: "list", data: (await cluster.listModels()).map(describe) }));
    // Registered by hand: the document's {id} would become a route that ends at the first slash.
    app.get(`${path}/:id{.+}`, (c) => c.json(describe(cluster.model(c.req.param("id")))));
  }
}

/** OpenAI wants a creation time and a model on disk has none that means anything: the service's start stands in. */
function describeModel(model: ModelDetail, createdAtMs: number): OpenaiModel {
  return {
    id: model.id,
    object: "model",
    created: Math.floor(createdAtMs / 1000),
    owned_by: "opta-lmx",
    state: model.readiness.state,
    context_length: model.context_length,
    capabilities: model.capabilities ?? null,
  };
}
