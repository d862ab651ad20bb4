import { createRoute, z } from "@hono/zod-openapi";
import { type Dossier, dossierListSchema, dossierSchema } from "../../../shared/dossier.ts";
import { LmxError } from "../../../shared/errors.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { summaryOf } from "../../policy/diagnosis/dossier.ts";
import type { App } from "../app-context.ts";
import { parseQuery } from "../body/parse-query.ts";
import { modelFilter } from "../model-filter.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";

/** Where the dossiers come from; the store of dossiers fits. */
export interface DossierSource {
  /** The newest first. */
  list(query: { readonly model?: string; readonly limit: number }): Promise<Dossier[]>;
  /** Null: there is none of this id. */
  get(id: string): Promise<Dossier | null>;
  /** Names of files that cannot be read. */
  unreadable(): string[];
}

/** As many as are kept. */
const MAX_LIMIT = 200;
const DEFAULT_LIMIT = 20;

const querySchema = z.object({
  model: z.string().optional().describe("of the model of this id only"),
  limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT).describe("the newest so many"),
});

const listRoute = createRoute({
  method: "get",
  path: "/admin/models/dossiers",
  summary: "List the dossiers of workers that died, the newest first",
  request: { query: querySchema },
  responses: {
    200: { description: "The dossiers, shortened", content: jsonContent(dossierListSchema) },
    ...ERROR_RESPONSE,
  },
});

const showRoute = createRoute({
  method: "get",
  path: "/admin/models/dossiers/{id}",
  summary: "Show everything that is known about the death of one worker",
  request: { params: z.object({ id: z.string() }) },
  responses: {
    200: { description: "The dossier", content: jsonContent(dossierSchema) },
    ...ERROR_RESPONSE,
  },
});

/** `GET /admin/models/dossiers` and `/admin/models/dossiers/{id}`. */
export function addAdminDossiersRoutes(
  app: App,
  { dossiers, cluster }: { readonly dossiers: DossierSource; readonly cluster: Pick<Cluster, "model"> },
): void {
  app.openAPIRegistry.registerPath(listRoute);
  app.get("/admin/models/dossiers", async (c) => {
    const { model: name, limit } = parseQuery(querySchema, c.req.query());
    const model = modelFilter(cluster, name);
    const found = await dossiers.list({ ...(model !== undefined && { model }), limit });
    return c.json({
      object: "list" as const,
      data: found.map(summaryOf),
      unreadable: dossiers.unreadable(),
    });
  });

  app.openAPIRegistry.registerPath(showRoute);
  app.get("/admin/models/dossiers/:id", async (c) => {
    const id = c.req.param("id");
    const dossier = await dossiers.get(id);
    if (dossier !== null) return c.json(dossier);
    const message = `No dossier ${JSON.stringify(id.slice(0, 80))}; it may have been the oldest of too many.`;
    throw new LmxError("not_found", message, { param: "id" });
  });
}
