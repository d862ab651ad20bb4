import { createRoute, z } from "@hono/zod-openapi";
import { type Compatibility, compatibilitySchema } from "../../../shared/admin.ts";
import { REGISTRY_OUTCOMES, type RegistryEntry } from "../../../shared/registry.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { matrixOf, regressionsOf } from "../../policy/admission/compatibility.ts";
import type { App } from "../app-context.ts";
import { validationError } from "../body/validation-error.ts";
import { modelFilter } from "../model-filter.ts";
import { ERROR_RESPONSE, jsonContent } from "../route-responses.ts";

/** Only rows whose fields equal the ones given. */
type CompatibilityFilter = Partial<Pick<RegistryEntry, "model" | "backend" | "backend_version" | "outcome">>;

/** Where the rows come from; the registry fits. */
export interface CompatibilitySource {
  /** Matching rows, oldest first. */
  entries(filter: CompatibilityFilter): RegistryEntry[];
}

/** As many rows as the registry holds. */
const MAX_LIMIT = 2_000;

const querySchema = z.object({
  model: z.string().optional().describe("rows of this model only"),
  backend: z.string().optional().describe("rows of this backend only, such as `mlx-lm`"),
  backend_version: z.string().optional().describe("of `data`, rows of this version only"),
  outcome: z.enum(REGISTRY_OUTCOMES).optional().describe("of `data`, rows with this outcome only"),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_LIMIT)
    .optional()
    .describe("of `data`, the newest so many rows; default all"),
});

const route = createRoute({
  method: "get",
  path: "/admin/models/compatibility",
  summary: "Show what was tried on which runtime and how it went, the newest first",
  request: { query: querySchema },
  responses: {
    200: {
      description:
        "`data`: the rows, newest first. `matrix` and `regressions` compare all versions and outcomes of the model and backend asked for",
      content: jsonContent(compatibilitySchema),
    },
    ...ERROR_RESPONSE,
  },
});

/** `GET /admin/models/compatibility`: the registry's rows, and what they say together. */
export function addAdminCompatibilityRoutes(
  app: App,
  {
    compatibility,
    cluster,
  }: { readonly compatibility: CompatibilitySource; readonly cluster: Pick<Cluster, "model"> },
): void {
  app.openAPIRegistry.registerPath(route);
  // Registered by hand: the stock validator's refusal is not in the error envelope.
  app.get("/admin/models/compatibility", (c) => {
    const { model: name, backend, backend_version, outcome, limit = MAX_LIMIT } = parseQuery(c.req.query());
    const model = modelFilter(cluster, name);
    const compared = { ...(model !== undefined && { model }), ...(backend !== undefined && { backend }) };
    const listed = {
      ...compared,
      ...(backend_version !== undefined && { backend_version }),
      ...(outcome !== undefined && { outcome }),
    };
    const comparable = compatibility.entries(compared);
    const answer: Compatibility = {
      object: "list",
      data: compatibility.entries(listed).toReversed().slice(0, limit),
      matrix: matrixOf(comparable),
      regressions: regressionsOf(comparable),
    };
    return c.json(answer);
  });
}

/** `?outcome=` asks for nothing in particular. @throws LmxError invalid_request_error, its `param` the name in the query */
function parseQuery(query: Readonly<Record<string, string>>): z.output<typeof querySchema> {
  const given = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ""));
  const parsed = querySchema.safeParse(given);
  if (!parsed.success) throw validationError(parsed.error, given);
  return parsed.data;
}
