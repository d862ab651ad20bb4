import { createRoute } from "@hono/zod-openapi";
import type { Context } from "hono";
import { leaveSafeModeResultSchema, modelActionRequestSchema } from "../../../shared/admin.ts";
import type { AuditContext } from "../../telemetry/audit-context.ts";
import type { App } from "../app-context.ts";
import { auditContext } from "../callers/audit-context.ts";
import { jsonBody } from "../middleware/json-body.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";

/** The service's safe mode, as an operator can end it. */
export interface SafeModeControl {
  /** Resolves with whether there was one to leave. Idempotent. */
  leave(context: AuditContext): Promise<boolean>;
}

const requestSchema = modelActionRequestSchema.pick({ reason: true });

const route = createRoute({
  method: "post",
  path: "/admin/safe-mode/leave",
  summary: "Leave safe mode: models are loaded on their own again",
  request: { body: { required: false, content: jsonContent(requestSchema) } },
  responses: {
    200: {
      description: "Not in safe mode, or no longer",
      content: jsonContent(leaveSafeModeResultSchema),
    },
    ...ERROR_RESPONSE,
  },
});

/** `POST /admin/safe-mode/leave`; a body is not needed, so that `curl -X POST` will do. */
export function addAdminSafeModeRoute(app: App, { safeMode }: { readonly safeMode: SafeModeControl }): void {
  app.openAPIRegistry.registerPath(route);
  app.post(
    "/admin/safe-mode/leave",
    async (c, next) => {
      if (hasBody(c)) return await next();
      return c.json({ left: await safeMode.leave(auditContext(c, null)) });
    },
    jsonBody(requestSchema),
    async (c) => {
      const { reason } = c.req.valid("json");
      return c.json({ left: await safeMode.leave(auditContext(c, reason)) });
    },
  );
}

/** HTTP says a request without these headers has no body. */
function hasBody(c: Context): boolean {
  const length = c.req.header("content-length") ?? "0";
  const names = ["content-type", "transfer-encoding"];
  return length !== "0" || names.some((name) => c.req.header(name) !== undefined);
}
