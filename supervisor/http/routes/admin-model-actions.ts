import { createRoute } from "@hono/zod-openapi";
import { modelActionRequestSchema, modelActionResultSchema } from "../../../shared/admin.ts";
import type { App, RouteContext } from "../app-context.ts";
import { auditContext } from "../callers/audit-context.ts";
import { jsonBody } from "../middleware/json-body.ts";
import { ERROR_RESPONSE, jsonContent, jsonRequest } from "../route-responses.ts";

const ACTIONS = {
  restart: {
    summary: "Drain a model, end its worker and load it again; wait for the outcome",
    done: "Serves again; a model that was not loaded is loaded",
  },
  quarantine: {
    summary: "Take a model out of service until somebody releases it",
    done: "Quarantined, whatever it was before",
  },
  release: {
    summary: "Let a quarantined model be tried once, alone, at once",
    done: "On its way; a model that was not quarantined stays as it is",
  },
} as const;

type Action = keyof typeof ACTIONS;

/** `POST /admin/models/restart`, `quarantine` and `release`. What was begun goes on when its client leaves. */
export function addAdminModelActionsRoutes(app: App, { cluster }: Pick<RouteContext, "cluster">): void {
  for (const action of Object.keys(ACTIONS) as Action[]) {
    const route = actionRoute(action);
    app.openAPIRegistry.registerPath(route);
    app.post(route.path, jsonBody(modelActionRequestSchema), async (c) => {
      const { model_id, reason } = c.req.valid("json");
      c.set("model", model_id);
      return c.json(await cluster[action](model_id, auditContext(c, reason)));
    });
  }
}

function actionRoute(action: Action) {
  const { summary, done } = ACTIONS[action];
  return createRoute({
    method: "post",
    path: `/admin/models/${action}`,
    summary,
    request: jsonRequest(modelActionRequestSchema),
    responses: {
      200: { description: done, content: jsonContent(modelActionResultSchema) },
      ...ERROR_RESPONSE,
    },
  });
}
