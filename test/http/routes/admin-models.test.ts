import { describe, expect, it } from "vitest";
import type { LoadResult } from "../../../shared/admin.ts";
import { loadResultSchema, modelListSchema, unloadResultSchema } from "../../../shared/admin.ts";
import { LmxError } from "../../../shared/errors.ts";
import { FakeCluster, fakeModel } from "../fake-cluster.ts";
import { errorOf, post, testApp } from "../test-app.ts";

describe("GET /admin/models", () => {
  it("lists what the cluster knows, unchanged", async () => {
    const { app, cluster } = testApp();
    const list = await (await app.request("/admin/models")).json();
    expect(modelListSchema.parse(list)).toEqual({ object: "list", data: cluster.models() });
  });
});

describe("POST /admin/models/load", () => {
  it("waits and answers with the outcome", async () => {
    const { app, cluster } = testApp();
    const response = await post(app, "/admin/models/load", { model_id: "demo" });
    expect(response.status).toBe(200);
    expect(loadResultSchema.parse(await response.json())).toMatchObject({
      model_id: "demo",
      load_seconds: 1.5,
    });
    expect(cluster.loadCalls).toEqual(["demo"]);
  });

  it("with wait: false answers 202 with the model as it stands once the load was asked for", async () => {
    const cluster = new FakeCluster(fakeModel("demo", { state: "loading" }));
    cluster.onLoad = () => new Promise<LoadResult>(() => {});
    const { app } = testApp({ cluster });
    const response = await post(app, "/admin/models/load", { model_id: "demo", wait: false });
    expect(response.status).toBe(202);
    expect(unloadResultSchema.parse(await response.json())).toMatchObject({
      model_id: "demo",
      readiness: { state: "loading" },
    });
    expect(cluster.loadCalls).toEqual(["demo"]);
  });

  it("with wait: false refuses an unknown model at once", async () => {
    const { app, cluster } = testApp();
    expect((await post(app, "/admin/models/load", { model_id: "nobody", wait: false })).status).toBe(404);
    expect(cluster.loadCalls).toEqual(["nobody"]);
  });

  it.each([
    [{}, false],
    [{ override_safe_mode: true }, true],
    [{ override_safe_mode: true, wait: false }, true],
  ])("hands on whether %j goes past safe mode", async (extra, overrideSafeMode) => {
    const { app, cluster } = testApp();
    await post(app, "/admin/models/load", { model_id: "demo", ...extra });
    expect(cluster.loadOptions).toMatchObject([{ overrideSafeMode }]);
  });

  it("uses the admin column of the error table and adds details", async () => {
    const cluster = new FakeCluster();
    const details = { required_bytes: 10, available_bytes: 5 };
    cluster.onLoad = () => Promise.reject(new LmxError("insufficient_memory", "Too big.", { details }));
    const response = await post(testApp({ cluster }).app, "/admin/models/load", { model_id: "demo" });
    expect(response.status).toBe(507);
    expect(await errorOf(response)).toMatchObject({ code: "insufficient_memory", details });
  });

  it("names the field that is missing", async () => {
    const response = await post(testApp().app, "/admin/models/load", { model: "demo" });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ param: "model_id" });
  });
});

describe("POST /admin/models/unload", () => {
  it("answers with the readiness that is left", async () => {
    const { app, cluster } = testApp();
    const response = await post(app, "/admin/models/unload", { model_id: "demo" });
    expect(response.status).toBe(200);
    expect(unloadResultSchema.parse(await response.json())).toMatchObject({
      readiness: { state: "unloaded" },
    });
    expect(cluster.unloadCalls).toEqual(["demo"]);
  });
});
