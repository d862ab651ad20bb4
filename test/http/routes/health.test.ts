import { describe, expect, it } from "vitest";
import { FakeCluster, fakeModel } from "../fake-cluster.ts";
import { testApp } from "../test-app.ts";

describe("liveness", () => {
  it.each(["/livez", "/health", "/healthz"])(
    "is 200 at %s whatever state the service is in",
    async (path) => {
      const { app, service } = testApp();
      service.isDraining = true;
      service.readiness = { ok: false, reason: "safe_mode", details: {} };
      const response = await app.request(path);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ status: "ok" });
      expect(response.headers.get("cache-control")).toBe("no-store");
    },
  );
});

describe("GET /readyz", () => {
  const cluster = new FakeCluster(
    fakeModel("demo"),
    fakeModel("org/coming", { state: "loading" }),
    fakeModel("leaving", { detail: "draining" }),
  );
  const { app, service } = testApp({ cluster });
  const ready = { ok: true, reason: null, details: { workers: 1 } };

  it("is 200 when the service is ready", async () => {
    service.readiness = ready;
    const response = await app.request("/readyz");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok", reason: null });
  });

  it("is 503 with the reason, worth retrying, when it is not", async () => {
    service.readiness = { ok: false, reason: "draining", details: {} };
    for (const path of ["/readyz", "/readyz?model=demo"]) {
      const response = await app.request(path);
      expect(response.status).toBe(503);
      expect(response.headers.get("x-should-retry")).toBe("true");
      expect(await response.json()).toEqual({ status: "unavailable", reason: "draining" });
    }
  });

  it("answers for one model", async () => {
    service.readiness = ready;
    const answers = ["demo", "org/coming", "leaving", "nobody"].map(async (model) => {
      const response = await app.request(`/readyz?model=${encodeURIComponent(model)}`);
      const { reason } = (await response.json()) as { reason?: string | null };
      return [response.status, reason];
    });
    expect(await Promise.all(answers)).toEqual([
      [200, null],
      [503, "loading"],
      [503, "draining"],
      [404, undefined],
    ]);
  });

  it("adds details and the state of every model with ?verbose", async () => {
    service.readiness = ready;
    expect(await (await app.request("/readyz?verbose")).json()).toEqual({
      status: "ok",
      reason: null,
      details: {
        workers: 1,
        model_states: { demo: "routable", "org/coming": "loading", leaving: "routable" },
      },
    });
  });

  it("asks the cluster for nothing that could wait", async () => {
    expect([cluster.generateCalls, cluster.loadCalls, cluster.unloadCalls]).toEqual([[], [], []]);
  });
});
