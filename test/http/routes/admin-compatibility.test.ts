import { join } from "node:path";
import { OpenAPIHono } from "@hono/zod-openapi";
import { describe, expect, it } from "vitest";
import { compatibilitySchema } from "../../../shared/admin.ts";
import { toLmxError } from "../../../shared/errors.ts";
import type { RegistryEntry } from "../../../shared/registry.ts";
import type { AppEnv } from "../../../supervisor/http/app-context.ts";
import { respondWithError } from "../../../supervisor/http/error-reply.ts";
import { addAdminCompatibilityRoutes } from "../../../supervisor/http/routes/admin-compatibility.ts";
import { openapiDocument } from "../../../supervisor/http/routes/openapi.ts";
import { openRegistry } from "../../../supervisor/store/compatibility-registry.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { FakeCluster } from "../fake-cluster.ts";
import { errorOf } from "../test-app.ts";

const PATH = "/admin/models/compatibility";

const entry = (model: string, backend_version: string, outcome: RegistryEntry["outcome"]): RegistryEntry => ({
  model,
  backend: "mlx-lm",
  backend_version,
  outcome,
  reason: outcome === "pass" ? null : "canary",
  metadata: { digest: "d1" },
  ts: "2026-11-20T10:00:00.000Z",
});

const ENTRIES = [
  entry("org/a", "0.31", "pass"),
  entry("org/b", "0.31", "pass"),
  entry("org/a", "0.32", "fail"),
  { ...entry("org/a", "1.0", "pass"), backend: "other" },
];

/** The route over a real registry. */
async function withRegistry(entries: readonly RegistryEntry[] = ENTRIES) {
  const path = join(await temporaryDirectory(), "registry.json");
  const log = { info: () => undefined, error: () => undefined };
  const compatibility = await openRegistry({ path, now: () => 0, log });
  for (const one of entries) await compatibility.recordDurably(one);
  const app = new OpenAPIHono<AppEnv>();
  app.onError((thrown, c) => respondWithError(c, toLmxError(thrown)));
  addAdminCompatibilityRoutes(app, { compatibility, cluster: new FakeCluster() });
  const ask = async (query = "") => {
    const response = await app.request(`${PATH}${query}`);
    expect(response.status).toBe(200);
    return compatibilitySchema.parse(await response.json());
  };
  return { app, ask };
}

describe("GET /admin/models/compatibility", () => {
  it("has every row, the newest first, and what they say together", async () => {
    const { ask } = await withRegistry();
    const { data, matrix, regressions } = await ask();
    expect(data).toEqual(ENTRIES.toReversed());
    expect(matrix.map(({ model, cells }) => [model, cells.length])).toEqual([
      ["org/a", 3],
      ["org/b", 1],
    ]);
    expect(regressions).toMatchObject([{ model: "org/a", passed_on: "0.31", failed_on: "0.32" }]);
  });

  it.each([
    ["?model=org/a", [3, 2, 0]],
    ["?backend=other", [3]],
    ["?backend_version=0.31", [1, 0]],
    ["?outcome=fail", [2]],
    ["?outcome=drift", []],
    ["?model=org/a&outcome=pass&backend=mlx-lm", [0]],
    ["?limit=2", [3, 2]],
    ["?model=&outcome=&limit=", [3, 2, 1, 0]],
    ["?model=org/nobody", []],
    ["?unknown=1", [3, 2, 1, 0]],
  ] as const)("%s narrows the rows", async (query, indices) => {
    const { ask } = await withRegistry();
    expect((await ask(query)).data).toEqual(indices.map((index) => ENTRIES[index]));
  });

  it("compares all versions and outcomes of what was asked for, whichever rows are listed", async () => {
    const { ask } = await withRegistry();
    const { regressions, matrix, data } = await ask("?outcome=pass&backend_version=0.31&limit=1");
    expect(data).toHaveLength(1);
    expect(regressions).toHaveLength(1);
    expect(matrix[0]!.cells).toHaveLength(3);
    expect((await ask("?model=org/b")).matrix.map(({ model }) => model)).toEqual(["org/b"]);
    expect((await ask("?backend=other")).regressions).toEqual([]);
  });

  it("is three empty lists before anything was tried", async () => {
    const { ask } = await withRegistry([]);
    expect(await ask()).toEqual({ object: "list", data: [], matrix: [], regressions: [] });
  });

  it.each([
    ["?outcome=perfect", "outcome", 'expected one of "pass", "fail", "drift", got "perfect"'],
    ["?limit=0", "limit", "expected number ≥ 1"],
    ["?limit=2001", "limit", "expected number ≤ 2000"],
    ["?limit=1.5", "limit", "expected integer"],
    ["?limit=many", "limit", "expected number"],
  ])("%s is 400 with the name of the parameter", async (query, param, message) => {
    const { app } = await withRegistry();
    const response = await app.request(`${PATH}${query}`);
    expect(response.status).toBe(400);
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: "invalid_request_error", param });
    expect(error.message).toContain(message);
  });

  it("is described in the API's document", async () => {
    const { app } = await withRegistry();
    const { parameters = [] } = openapiDocument(app).paths?.[PATH]?.get ?? {};
    const names = parameters.map((parameter) => ("name" in parameter ? parameter.name : ""));
    expect(names).toEqual(["model", "backend", "backend_version", "outcome", "limit"]);
    expect(parameters.every((parameter) => !("required" in parameter && parameter.required))).toBe(true);
  });
});
