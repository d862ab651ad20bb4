import { describe, expect, it } from "vitest";
import { LmxError } from "../../../shared/errors.ts";
import { FakeCluster, fakeModel } from "../fake-cluster.ts";
import { CHAT, chat, post, testApp } from "../test-app.ts";

async function scrape({ app }: ReturnType<typeof testApp>, headers: Record<string, string> = {}) {
  const response = await app.request("/metrics", { headers });
  return { status: response.status, text: await response.text(), type: response.headers.get("content-type") };
}

describe("GET /metrics", () => {
  it("is Prometheus text with the state of every model, one of them 1", async () => {
    const cluster = new FakeCluster(fakeModel("demo"), fakeModel("org/name", { state: "loading" }));
    const { status, text, type } = await scrape(testApp({ cluster }));
    expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    expect(text).toContain('opta_lmx_model_state{model_name="demo",state="routable"} 1\n');
    expect(text).toContain('opta_lmx_model_state{model_name="demo",state="loading"} 0\n');
    expect(text).toContain('opta_lmx_model_state{model_name="org/name",state="loading"} 1\n');
  });

  it("forgets the state of a model that is gone", async () => {
    const cluster = new FakeCluster(fakeModel("demo"), fakeModel("gone"));
    const served = testApp({ cluster });
    await scrape(served);
    cluster.details.delete("gone");
    expect((await scrape(served)).text).not.toContain("gone");
  });

  it("counts errors by code, and names no model a client made up", async () => {
    const cluster = new FakeCluster();
    cluster.onGenerate = () => Promise.reject(new LmxError("worker_crashed", "died"));
    const served = testApp({ cluster });
    await chat(served.app);
    await chat(served.app, { model: "made-up" });
    await chat(served.app, { temperature: 9 });
    await post(served.app, "/nowhere", CHAT);
    const { text } = await scrape(served);
    for (const code of ["worker_crashed", "model_not_found", "invalid_request_error", "not_found"])
      expect(text).toContain(`opta_lmx_errors_total{code="${code}"} 1\n`);
    expect(text).not.toContain("made-up");
  });

  it("takes a key of either kind where one is configured, as Prometheus sends it", async () => {
    const served = testApp({ config: { api_keys: ["api-key-1"], admin_keys: ["admin-key-1"] } });
    expect((await scrape(served)).status).toBe(401);
    expect((await scrape(served, { authorization: "Bearer wrong-key" })).status).toBe(401);
    for (const key of ["api-key-1", "admin-key-1"])
      expect((await scrape(served, { authorization: `Bearer ${key}` })).status).toBe(200);
    expect((await scrape(served, { "x-admin-key": "admin-key-1" })).status).toBe(200);
    const adminOnly = testApp({ config: { admin_keys: ["admin-key-1"] } });
    expect((await scrape(adminOnly)).status).toBe(401);
  });
});
