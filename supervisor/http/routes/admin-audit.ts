import { createRoute, z } from "@hono/zod-openapi";
import { auditListSchema, type auditRowSchema } from "../../../shared/admin.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import type { App } from "../app-context.ts";
import { parseQuery } from "../body/parse-query.ts";
import { modelFilter } from "../model-filter.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";

/** Where the rows come from; the audit log fits. */
export interface AuditSource {
  /** Matching rows, newest first, `limit` at most. */
  query(query: {
    readonly model?: string;
    readonly action?: string;
    readonly limit: number;
  }): z.output<typeof auditRowSchema>[];
}

/** As many rows as the audit log holds. */
const MAX_LIMIT = 2_000;
const DEFAULT_LIMIT = 100;

const querySchema = z.object({
  model: z.string().optional().describe("rows about the model of this id only"),
  action: z.string().optional().describe("rows of this action only, such as `quarantine`"),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_LIMIT)
    .default(DEFAULT_LIMIT)
    .describe("the newest so many rows"),
});

const route = createRoute({
  method: "get",
  path: "/admin/audit",
  summary: "Show what operators did, the newest first",
  request: { query: querySchema },
  responses: { 200: { description: "The rows", content: jsonContent(auditListSchema) }, ...ERROR_RESPONSE },
});

/** `GET /admin/audit`: who did what, when and why. */
export function addAdminAuditRoute(
  app: App,
  { audit, cluster }: { readonly audit: AuditSource; readonly cluster: Pick<Cluster, "model"> },
): void {
  app.openAPIRegistry.registerPath(route);
  app.get("/admin/audit", (c) => {
    const { model: name, action, limit } = parseQuery(querySchema, c.req.query());
    const model = modelFilter(cluster, name);
    const data = audit.query({
      ...(model !== undefined && { model }),
      ...(action !== undefined && { action }),
      limit,
    });
    return c.json({ object: "list" as const, data });
  });
}
