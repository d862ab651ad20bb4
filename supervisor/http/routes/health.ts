import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { App, AppEnv, RouteContext } from "../app-context.ts";
import { LIVENESS_PATHS } from "../health-paths.ts";
import { jsonContent } from "../route-responses.ts";

const healthSchema = z
  .object({
    status: z.enum(["ok", "unavailable"]),
    reason: z.string().nullable().optional(),
    details: z.record(z.string(), z.unknown()).optional().describe("with ?verbose"),
  })
  .meta({ id: "Health" });

type Health = z.infer<typeof healthSchema>;

const readyRoute = createRoute({
  method: "get",
  path: "/readyz",
  summary: "Whether to send traffic here, or to one model",
  request: {
    query: z.object({
      model: z.string().optional().describe("ask about this model alone"),
      verbose: z.string().optional().describe("with details"),
    }),
  },
  responses: {
    200: { description: "Ready", content: jsonContent(healthSchema) },
    404: { description: "No such model" },
    503: { description: "Not ready; `reason` says why", content: jsonContent(healthSchema) },
  },
});

/** `/livez`, `/health`, `/healthz` (the event loop turns) and `/readyz` (send traffic). None of them waits for anything. */
export function addHealthRoutes(app: App, context: RouteContext): void {
  for (const path of LIVENESS_PATHS) {
    app.openAPIRegistry.registerPath({
      method: "get",
      path,
      summary: "Whether the service is alive",
      responses: { 200: { description: "Alive", content: jsonContent(healthSchema) } },
    });
    app.get(path, (c) => respond(c, { status: "ok" }));
  }
  app.openAPIRegistry.registerPath(readyRoute);
  app.get("/readyz", (c) => {
    const model = c.req.query("model");
    const { ok, reason, details } = context.service.ready();
    const answer = ok && model !== undefined ? modelReadiness(context, model) : { ok, reason };
    const body: Health = { status: answer.ok ? "ok" : "unavailable", reason: answer.reason };
    if (c.req.query("verbose") !== undefined)
      body.details = { ...details, model_states: modelStates(context) };
    return respond(c, body);
  });
}

function modelReadiness({ cluster }: RouteContext, id: string): { ok: boolean; reason: string | null } {
  const { state, detail } = cluster.model(id).readiness;
  const ok = state === "routable" && detail !== "draining";
  return { ok, reason: ok ? null : (detail ?? state) };
}

function modelStates({ cluster }: RouteContext): Record<string, string> {
  return Object.fromEntries(cluster.models().map(({ id, readiness }) => [id, readiness.state]));
}

function respond(c: Context<AppEnv>, body: Health): Response {
  c.header("cache-control", "no-store");
  if (body.status === "ok") return c.json(body);
  return c.json(body, 503, { "x-should-retry": "true", "retry-after": "1" });
}
