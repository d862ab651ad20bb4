import { createRoute } from "@hono/zod-openapi";
import {
  type ConfigReload,
  type ConfigReport,
  configReloadSchema,
  configReportSchema,
} from "../../../shared/admin-config.ts";
import type { Actor } from "../../telemetry/audit-context.ts";
import type { App } from "../app-context.ts";
import { actorOf } from "../callers/actor.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";

/** The configuration, as an operator can see it and have it read again. */
export interface ConfigControl {
  show(): ConfigReport;
  /** @throws LmxError invalid_request_error with every problem in its details; then nothing has changed */
  reload(actor: Actor): Promise<ConfigReload>;
}

const showRoute = createRoute({
  method: "get",
  path: "/admin/config",
  summary: "Show the configuration in force, each value with its origin; keys are masked",
  responses: {
    200: { description: "The configuration", content: jsonContent(configReportSchema) },
    ...ERROR_RESPONSE,
  },
});

const reloadRoute = createRoute({
  method: "post",
  path: "/admin/config/reload",
  summary:
    "Read the configuration again and apply what a running service can take; all of it is right or none applied",
  responses: {
    200: { description: "What changed", content: jsonContent(configReloadSchema) },
    ...ERROR_RESPONSE,
  },
});

/** `GET /admin/config` and `POST /admin/config/reload`, which takes no body. */
export function addAdminConfigRoutes(app: App, { settings }: { readonly settings: ConfigControl }): void {
  app.openapi(showRoute, (c) => c.json(settings.show(), 200));
  app.openapi(reloadRoute, async (c) => c.json(await settings.reload(actorOf(c)), 200));
}
