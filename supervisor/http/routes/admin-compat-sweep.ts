import { createRoute } from "@hono/zod-openapi";
import {
  type SweepAccepted,
  type SweepRequest,
  type SweepStatus,
  sweepAcceptedSchema,
  sweepRequestSchema,
  sweepStatusSchema,
} from "../../../shared/admin-sweep.ts";
import type { AuditContext } from "../../telemetry/audit-context.ts";
import type { App } from "../app-context.ts";
import { auditContext } from "../callers/audit-context.ts";
import { jsonBody } from "../middleware/json-body.ts";
import { ERROR_RESPONSE, jsonContent, jsonRequest } from "../route-responses.ts";

/** A sweep and whoever begins or ends it. */
export interface SweepControl {
  start(request: SweepRequest, context: AuditContext): Promise<SweepAccepted>;
  status(): SweepStatus;
  /** None running is a success. */
  cancel(context: AuditContext): Promise<SweepStatus>;
}

const PATH = "/admin/models/compatibility/sweep";

const startRoute = createRoute({
  method: "post",
  path: PATH,
  summary: "Try a small model of every architecture of the installed mlx_lm, each in a process of its own",
  request: jsonRequest(sweepRequestSchema),
  responses: {
    202: { description: "Begun; results go to the registry", content: jsonContent(sweepAcceptedSchema) },
    ...ERROR_RESPONSE,
  },
});

const statusRoute = createRoute({
  method: "get",
  path: PATH,
  summary: "Show the running sweep, or the last one",
  responses: {
    200: { description: "How far it is", content: jsonContent(sweepStatusSchema) },
    ...ERROR_RESPONSE,
  },
});

const cancelled = {
  200: {
    description: "No sweep runs any more; what it tried before stays",
    content: jsonContent(sweepStatusSchema),
  },
  ...ERROR_RESPONSE,
};
const deleteRoute = createRoute({
  method: "delete",
  path: PATH,
  summary: "End the running sweep; none running is a success",
  responses: cancelled,
});
const cancelRoute = createRoute({
  method: "post",
  path: `${PATH}/cancel`,
  summary: "The same as DELETE, for clients that only post",
  responses: cancelled,
});

/** `POST`, `GET` and `DELETE /admin/models/compatibility/sweep`. A sweep goes on when its client leaves. */
export function addAdminCompatSweepRoutes(app: App, { sweep }: { readonly sweep: SweepControl }): void {
  app.openAPIRegistry.registerPath(startRoute);
  app.post(PATH, jsonBody(sweepRequestSchema), async (c) =>
    c.json(await sweep.start(c.req.valid("json"), auditContext(c, null)), 202),
  );
  app.openapi(statusRoute, (c) => c.json(sweep.status(), 200));
  app.openapi(deleteRoute, async (c) => c.json(await sweep.cancel(auditContext(c, null)), 200));
  app.openapi(cancelRoute, async (c) => c.json(await sweep.cancel(auditContext(c, null)), 200));
}
