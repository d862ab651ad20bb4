import { describe, expect, it } from "vitest";
import { modelActionResultSchema } from "../../../shared/admin.ts";
import { LmxError } from "../../../shared/errors.ts";
import { FakeCluster, fakeModel } from "../fake-cluster.ts";
import { errorOf, post, testApp } from "../test-app.ts";

const ACTIONS = [
  ["restart", "routable"],
  ["quarantine", "quarantined"],
  ["release", "admitted"],
] as const;

describe.each(ACTIONS)("POST /admin/models/%s", (action, state) => {
  const path = `/admin/models/${action}`;

  it("does it and answers with the readiness that came of it", async () => {
    const { app, cluster } = testApp();
    const response = await post(app, path, { model_id: "demo", reason: " looks odd " });
    expect(response.status).toBe(200);
    const answer = await response.json();
    expect(modelActionResultSchema.parse(answer)).toEqual(answer);
    expect(answer).toMatchObject({ model_id: "demo", readiness: { state } });
    const word = { actor: { key: null, address: null, via: "http" }, reason: "looks odd" };
    expect(cluster.actionCalls).toEqual([{ action, id: "demo", word }]);
  });

  it.each([undefined, null, "", "  "])("takes the reason %j for none", async (reason) => {
    const { app, cluster } = testApp();
    expect((await post(app, path, { model_id: "demo", reason })).status).toBe(200);
    expect(cluster.actionCalls[0]!.word.reason).toBeNull();
  });

  it("says who asked by the key's hash, never by the key", async () => {
    const { app, cluster } = testApp({ config: { admin_keys: ["admin-secret"] } });
    expect((await post(app, path, { model_id: "demo" })).status).toBe(401);
    expect(cluster.actionCalls).toEqual([]);
    await post(app, path, { model_id: "demo" }, { "x-admin-key": "admin-secret" });
    expect(cluster.actionCalls[0]!.word.actor.key).toMatch(/^[0-9a-f]{8}$/);
  });

  it.each([
    [{}, "model_id"],
    [{ model_id: "" }, "model_id"],
    [{ model_id: "demo", reason: "x".repeat(1_001) }, "reason"],
    [{ model_id: "demo", reason: 7 }, "reason"],
  ])("refuses a body at fault in its field", async (body, param) => {
    const { app, cluster } = testApp();
    const response = await post(app, path, body);
    expect(response.status).toBe(400);
    expect(response.headers.get("x-should-retry")).toBe("false");
    expect(await errorOf(response)).toMatchObject({ code: "invalid_request_error", param });
    expect(cluster.actionCalls).toEqual([]);
  });

  it("answers what the cluster throws from the admin column of the error table, with details", async () => {
    const cluster = new FakeCluster(fakeModel("demo"));
    const details = { required_bytes: 10 };
    cluster.onAction = () => Promise.reject(new LmxError("insufficient_memory", "Too big.", { details }));
    const response = await post(testApp({ cluster }).app, path, { model_id: "demo" });
    expect([response.status, response.headers.get("x-should-retry")]).toEqual([507, "false"]);
    expect(await errorOf(response)).toMatchObject({ code: "insufficient_memory", details });
    const unknown = await post(testApp().app, path, { model_id: "nobody" });
    expect(unknown.status).toBe(404);
    expect(await errorOf(unknown)).toMatchObject({ code: "model_not_found" });
  });

  it("is POST only", async () => {
    const response = await testApp().app.request(path);
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
  });

  it("names the model in the access log", async () => {
    const { app, logLines } = testApp();
    await post(app, path, { model_id: "demo" });
    expect(logLines).toContainEqual(expect.objectContaining({ model: "demo" }));
  });
});
