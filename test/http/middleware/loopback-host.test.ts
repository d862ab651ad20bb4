import { describe, expect, it } from "vitest";
import { errorOf, testApp } from "../test-app.ts";

const withHost = (host: string) => ({ headers: { host } });

describe("a server bound to loopback", () => {
  const { app } = testApp({ config: { host: "127.0.0.1" } });

  it.each(["localhost:1234", "127.0.0.1", "[::1]:9"])("answers Host %s", async (host) => {
    expect((await app.request("/v1/models", withHost(host))).status).toBe(200);
  });

  it.each(["/v1/models", "/admin/models", "/readyz", "/openapi.json", "/nope"])(
    "refuses another Host on %s",
    async (path) => {
      const response = await app.request(path, withHost("rebound.example:1234"));
      expect(response.status).toBe(403);
      expect((await errorOf(response)).code).toBe("forbidden_origin");
    },
  );

  it.each(["/livez", "/health", "/healthz"])("tells any Host on %s that it lives", async (path) => {
    expect((await app.request(path, withHost("probe.example"))).status).toBe(200);
  });
});

it("a server bound to every address answers whatever the Host", async () => {
  const { app } = testApp({ config: { host: "0.0.0.0" } });
  expect((await app.request("/v1/models", withHost("box.example"))).status).toBe(200);
});
