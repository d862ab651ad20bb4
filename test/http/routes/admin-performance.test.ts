import { describe, expect, it } from "vitest";
import { modelPerformanceSchema } from "../../../shared/admin-performance.ts";
import { FakeCluster, fakeModel } from "../fake-cluster.ts";
import { errorOf, testApp } from "../test-app.ts";

const ID = "org/name-3.2";

function served() {
  const cluster = new FakeCluster(fakeModel("demo"), fakeModel(ID, { state: "quarantined", failures: 3 }));
  // An alias.
  cluster.details.set("small", cluster.model(ID));
  return testApp({ cluster });
}

describe("GET /admin/models/{id}/performance", () => {
  it.each([ID, ID.replace("/", "%2F"), "small"])("of %s has its figures and readiness", async (name) => {
    const { app, performance } = served();
    const request = performance.observer.requestArrived(ID);
    request.accepted(1);
    request.tokens(1);
    request.ended("stop");
    performance.observer.requestArrived("demo");
    const response = await app.request(`/admin/models/${name}/performance`);
    expect(response.status).toBe(200);
    const body = modelPerformanceSchema.parse(await response.json());
    expect(body).toMatchObject({
      model_id: ID,
      readiness: { state: "quarantined", failures: 3 },
      requests: { total: 1, succeeded: 1, failed: 0, cancelled: 0, running: 0, waiting: 0 },
      tokens_per_second: { p50: null, p95: null },
      memory: null,
    });
    expect(body.time_to_first_token_seconds.p50).toBeGreaterThanOrEqual(0);
  });

  it("of a model that does not exist is 404", async () => {
    const response = await served().app.request("/admin/models/org/nobody/performance");
    expect([response.status, (await errorOf(response)).code]).toEqual([404, "model_not_found"]);
  });

  it("leaves the other paths below /admin/models alone", async () => {
    const { app } = served();
    expect((await app.request("/admin/models/compatibility")).status).toBe(200);
    expect((await app.request("/admin/models/performance")).status).toBe(404);
    expect((await app.request(`/admin/models/${ID}/performance`, { method: "POST" })).status).toBe(405);
  });
});
