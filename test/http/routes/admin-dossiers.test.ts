import { describe, expect, it } from "vitest";
import { type Dossier, dossierListSchema, dossierSchema } from "../../../shared/dossier.ts";
import type { DossierSource } from "../../../supervisor/http/routes/admin-dossiers.ts";
import { openapiDocument } from "../../../supervisor/http/routes/openapi.ts";
import { buildDossier, dossierId } from "../../../supervisor/policy/diagnosis/dossier.ts";
import { deathReport } from "../../support/fake-death.ts";
import { FakeCluster, fakeModel } from "../fake-cluster.ts";
import { errorOf, testApp } from "../test-app.ts";

const PATH = "/admin/models/dossiers";
const dossier = (index: number, model: string): Dossier =>
  buildDossier(
    deathReport({ id: dossierId(index, "abcdef"), model, stderrTail: "x".repeat(10_000) }),
    String,
  );
const ALL = Array.from({ length: 30 }, (_, index) => dossier(index, index % 2 === 0 ? "org/a" : "b"));

function kept(unreadable: string[]): DossierSource {
  return {
    list: async ({ model, limit }) =>
      ALL.filter((one) => model === undefined || one.model === model)
        .toReversed()
        .slice(0, limit),
    get: async (id) => ALL.find((one) => one.id === id) ?? null,
    unreadable: () => unreadable,
  };
}

function withDossiers(unreadable: string[] = []) {
  return testApp({ dossiers: kept(unreadable) }).app;
}

describe("GET /admin/models/dossiers", () => {
  it.each([
    ["", 20, "b"],
    ["?limit=200", 30, "b"],
    ["?limit=1", 1, "b"],
    ["?model=org/a", 15, "org/a"],
    ["?model=nobody", 0, undefined],
  ])("%s has so many, the newest first, shortened", async (query, count, model) => {
    const response = await withDossiers(["x.json"]).request(`${PATH}${query}`);
    expect(response.status).toBe(200);
    const { data, unreadable } = dossierListSchema.parse(await response.json());
    expect([data.length, data[0]?.model, unreadable]).toEqual([count, model, ["x.json"]]);
    for (const { stderr_tail } of data) expect(stderr_tail).toHaveLength(2_048);
    expect(data.map(({ id }) => id)).toEqual(
      data
        .map(({ id }) => id)
        .toSorted()
        .toReversed(),
    );
  });

  it.each(["?limit=0", "?limit=201", "?limit=x"])(
    "%s is 400 with the name of the parameter",
    async (query) => {
      const response = await withDossiers().request(`${PATH}${query}`);
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({ code: "invalid_request_error", param: "limit" });
    },
  );
});

it("a model may be named by an alias", async () => {
  const cluster = new FakeCluster(fakeModel("org/a"));
  cluster.aliases.set("small", "org/a");
  const { app } = testApp({ cluster, dossiers: kept([]) });
  const { data } = dossierListSchema.parse(await (await app.request(`${PATH}?model=small`)).json());
  expect(data.map(({ model }) => model)).toEqual(Array.from({ length: 15 }, () => "org/a"));
});

describe("GET /admin/models/dossiers/{id}", () => {
  it("has all of one", async () => {
    const response = await withDossiers().request(`${PATH}/${ALL[3]!.id}`);
    expect(dossierSchema.parse(await response.json())).toEqual(ALL[3]);
  });

  it("is 404 for one that is not there", async () => {
    const response = await withDossiers().request(`${PATH}/20260101T000000000Z-000000`);
    expect([response.status, response.headers.get("x-should-retry")]).toEqual([404, "false"]);
    expect(await errorOf(response)).toMatchObject({ code: "not_found", param: "id" });
  });

  it("needs the admin key where there is one", async () => {
    const { app } = testApp({ config: { api_keys: ["inference"], admin_keys: ["admin-secret"] } });
    for (const path of [PATH, `${PATH}/x`]) {
      expect((await app.request(path, { headers: { "x-api-key": "inference" } })).status).toBe(401);
      expect((await app.request(path, { headers: { "x-admin-key": "admin-secret" } })).status).not.toBe(401);
    }
  });

  it("is described in the API's document", () => {
    const { paths = {} } = openapiDocument(testApp().app);
    expect(Object.keys(paths)).toEqual(expect.arrayContaining([PATH, `${PATH}/{id}`]));
  });
});
