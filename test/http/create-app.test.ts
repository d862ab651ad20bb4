import { describe, expect, it } from "vitest";
import { FakeCluster } from "./fake-cluster.ts";
import { chat, errorOf, JSON_TYPE, testApp } from "./test-app.ts";

describe("every reply", () => {
  const replies: [string, string, string, number][] = [
    ["GET", "/livez", "", 200],
    ["GET", "/v1/models", "", 200],
    ["GET", "/v1/models/nobody", "", 404],
    ["GET", "/nope", "", 404],
    ["GET", "/v1/models/", "", 404],
    ["DELETE", "/v1/models", "", 405],
    ["GET", "/v1/chat/completions", "", 405],
    ["POST", "/v1/chat/completions", "{", 400],
    ["POST", "/v1/chat/completions", "{}", 400],
    ["POST", "/admin/models/load", "{}", 400],
    ["POST", "/admin/models/unload", '{"model_id":"nobody"}', 404],
  ];

  it.each(replies)(
    "of %s %s with %j has its id; errors the envelope and x-should-retry",
    async (method, path, body, status) => {
      const { app } = testApp();
      const init = method === "POST" ? { method, headers: JSON_TYPE, body } : { method };
      const response = await app.request(path, init);
      expect(response.status).toBe(status);
      expect(response.headers.get("x-request-id")).toMatch(/^req_/);
      expect(response.headers.get("x-should-retry")).toBe(status < 400 ? null : "false");
      expect(response.headers.get("retry-after")).toBeNull();
      if (status >= 400) {
        const error = await errorOf(response);
        expect(Object.hasOwn(error, "details")).toBe(path.startsWith("/admin"));
      }
    },
  );
});

describe("other methods", () => {
  const { app } = testApp();

  it("are 405 with Allow where the path exists", async () => {
    const response = await app.request("/v1/chat/completions", { method: "PUT" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST, OPTIONS");
    expect((await errorOf(response)).code).toBe("method_not_allowed");
  });

  it("are known for ids with slashes too", async () => {
    const response = await app.request("/v1/models/org/name", { method: "POST" });
    expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
  });

  it("answer OPTIONS with Allow and nothing else", async () => {
    const response = await app.request("/v1/models", { method: "OPTIONS" });
    expect(response.status).toBe(204);
    expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
    expect(response.headers.get("x-should-retry")).toBeNull();
    expect((await app.request("/nope", { method: "OPTIONS" })).status).toBe(404);
  });

  it("count and log a preflight as no error", async () => {
    const { app: watched, logLines, metrics } = testApp();
    await watched.request("/v1/models", { method: "OPTIONS" });
    expect(logLines.at(-1)).toMatchObject({ msg: "request", status: 204 });
    expect(logLines.at(-1)).not.toHaveProperty("code");
    expect(await metrics.render([])).not.toContain('code="not_found"');
  });

  it("answer HEAD like GET without a body", async () => {
    const response = await app.request("/v1/models", { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });
});

describe("a bug", () => {
  it.each([
    ["an error", new Error("secret detail")],
    ["a string", "secret detail"],
  ])("that throws %s is a 500 that says nothing and a log line that says all", async (_name, thrown) => {
    const cluster = new FakeCluster();
    cluster.onGenerate = () => Promise.reject(thrown);
    const { app, logLines } = testApp({ cluster });
    const response = await chat(app, {}, { "x-request-id": "bug-1" });
    expect(response.status).toBe(500);
    expect(response.headers.get("x-should-retry")).toBe("false");
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: "internal_error", type: "server_error" });
    expect(error.message).not.toContain("secret");
    const logged = logLines.filter(({ level }) => level >= 50);
    expect(logged).toEqual([expect.objectContaining({ id: "bug-1" })]);
    expect(JSON.stringify(logged)).toContain("secret detail");
  });

  it("in a synchronous route is answered the same way", async () => {
    const { app, service } = testApp();
    service.status = () => {
      throw new Error("broken");
    };
    expect((await app.request("/admin/status")).status).toBe(500);
  });
});
