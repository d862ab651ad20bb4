import { describe, expect, it } from "vitest";
import { healthPageSchema } from "../../../shared/admin-health.ts";
import { FakeCluster, fakeModel } from "../fake-cluster.ts";
import { type TestApp, testApp } from "../test-app.ts";

async function health({ app }: TestApp, query = "") {
  const response = await app.request(`/admin/health${query}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("no-store");
  const { status, checks } = healthPageSchema.parse(await response.json());
  const troubled = checks.filter((check) => check.status !== "pass");
  return { status, troubled: troubled.map(({ name }) => name), checks };
}

describe("GET /admin/health", () => {
  it.each(["", "?verbose"])("%s is one page of checks", async (query) => {
    const served = testApp();
    const { status, troubled, checks } = await health(served, query);
    // The fake service has no runtime yet.
    expect([status, troubled]).toEqual(["degraded", ["runtime"]]);
    expect(checks.find(({ name }) => name === "models")?.detail).toBe("1 routable");
  });

  it("puts together what the service, the models, the machine and the event loop say", async () => {
    const cluster = new FakeCluster(fakeModel("bad", { state: "quarantined" }));
    const served = testApp({ cluster });
    served.condition.lagMs = 500;
    served.condition.memory = { ...served.condition.memory, freeBytes: 0 };
    expect(await health(served)).toMatchObject({
      status: "degraded",
      troubled: ["runtime", "models", "event_loop", "memory"],
    });
    served.condition.runtimeProblem = "no mlx";
    served.service.isDraining = true;
    served.service.readiness = { ok: false, reason: "no_model_routable", details: {} };
    const { status, checks } = await health(served);
    expect(status).toBe("unavailable");
    expect(checks.filter((check) => check.status === "fail").map(({ name }) => name)).toEqual([
      "service",
      "runtime",
      "models",
    ]);
  });
});
