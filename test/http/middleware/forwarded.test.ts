import { describe, expect, it } from "vitest";
import { errorOf, testApp } from "../test-app.ts";

const FORWARDED = { "x-forwarded-for": "203.0.113.9" };

describe("a request that came through a proxy", () => {
  it.each([
    ["forwarded", "for=203.0.113.9"],
    ["via", "1.1 proxy.example"],
    ["x-forwarded-for", "203.0.113.9"],
    ["X-Forwarded-Proto", "https"],
    ["x-forwarded-anything", ""],
    ["x-real-ip", "203.0.113.9"],
  ])("is refused without a key when it has %s, with what to do", async (name, value) => {
    const { app } = testApp();
    for (const path of ["/v1/models", "/admin/models", "/metrics", "/openapi.json", "/nope"]) {
      const response = await app.request(path, { headers: { [name]: value } });
      expect([path, response.status]).toEqual([path, 403]);
      const { code, message } = await errorOf(response);
      expect(code).toBe("forbidden_proxy");
      expect(message).toContain(name.toLowerCase());
      expect(message).toContain("trusted_proxy: true");
      expect(message).not.toContain("203.0.113.9");
    }
  });

  it("is answered when it is direct, and a header that only resembles one does not count", async () => {
    const { app } = testApp();
    for (const name of ["x-forwarded", "forwarded-for", "x-via", "x-real"]) {
      expect((await app.request("/v1/models", { headers: { [name]: "1" } })).status).toBe(200);
    }
  });

  it("may ask for health: that says nothing to strangers, and balancers need it", async () => {
    const { app } = testApp();
    for (const path of ["/livez", "/readyz", "/health", "/healthz"])
      expect((await app.request(path, { headers: FORWARDED })).status, path).toBe(200);
  });

  it("is answered where a key protects the path, and refused on the other side of a half-locked house", async () => {
    const { app } = testApp({ config: { admin_keys: ["admin-key-1"] } });
    const admin = { ...FORWARDED, "x-admin-key": "admin-key-1" };
    expect((await app.request("/admin/models", { headers: admin })).status).toBe(200);
    expect((await app.request("/admin/models", { headers: FORWARDED })).status).toBe(401);
    expect((await app.request("/v1/models", { headers: admin })).status).toBe(403);
  });

  it("is answered with trusted_proxy, from the reload on", async () => {
    const { app, configure } = testApp();
    expect((await app.request("/v1/models", { headers: FORWARDED })).status).toBe(403);
    configure({ trusted_proxy: true });
    expect((await app.request("/v1/models", { headers: FORWARDED })).status).toBe(200);
  });
});
