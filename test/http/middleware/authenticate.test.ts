import { describe, expect, it } from "vitest";
import { errorOf, testApp } from "../test-app.ts";

const API = "api-key-123";
const OTHER_API = "api-key-456";
const ADMIN = "admin-key-123";

function statusWith(config: object) {
  const { app } = testApp({ config });
  return async (path: string, headers: Record<string, string> = {}) =>
    (await app.request(path, { headers })).status;
}

describe("authenticate", () => {
  it("asks for nothing when no key is configured", async () => {
    const status = statusWith({});
    expect([
      await status("/v1/models"),
      await status("/admin/models"),
      await status("/openapi.json"),
    ]).toEqual([200, 200, 200]);
  });

  it("takes any configured key as Bearer or X-API-Key for inference", async () => {
    const status = statusWith({ api_keys: [API, OTHER_API] });
    expect(await status("/v1/models", { authorization: `Bearer ${API}` })).toBe(200);
    expect(await status("/v1/models", { authorization: `bearer ${OTHER_API}` })).toBe(200);
    expect(await status("/v1/models", { "x-api-key": API })).toBe(200);
  });

  it.each(["/v1/models", "/models", "/openapi.json", "/nope", "/admin/models", "/admin/status"])(
    "refuses %s without a key and with a wrong one",
    async (path) => {
      const status = statusWith({ api_keys: [API] });
      expect(await status(path)).toBe(401);
      expect(await status(path, { authorization: "Bearer wrong", "x-admin-key": "wrong" })).toBe(401);
      expect(await status(path, { authorization: API, "x-admin-key": "" })).toBe(401);
    },
  );

  it("refuses a prefix and an extension of a key", async () => {
    const status = statusWith({ api_keys: [API] });
    expect(await status("/v1/models", { "x-api-key": API.slice(0, -1) })).toBe(401);
    expect(await status("/v1/models", { "x-api-key": `${API}x` })).toBe(401);
  });

  it("takes only an admin key on /admin, and only in X-Admin-Key", async () => {
    const status = statusWith({ api_keys: [API], admin_keys: [ADMIN] });
    expect(await status("/admin/models", { "x-admin-key": ADMIN })).toBe(200);
    expect(await status("/admin/models", { "x-admin-key": API })).toBe(401);
    expect(await status("/admin/models", { authorization: `Bearer ${ADMIN}` })).toBe(401);
    expect(await status("/v1/models", { "x-api-key": ADMIN })).toBe(401);
  });

  it("is not fooled by another spelling of an admin path", async () => {
    const status = statusWith({ api_keys: [API], admin_keys: [ADMIN] });
    for (const path of [
      "/%61dmin/models",
      "/v1/../admin/models",
      "/./admin/models",
      "/livez/../admin/models",
    ]) {
      expect(await status(path, { authorization: `Bearer ${API}` })).toBe(401);
    }
  });

  it("protects /admin with the API keys when no admin key is configured", async () => {
    const status = statusWith({ api_keys: [API] });
    expect(await status("/admin/models", { "x-admin-key": API })).toBe(200);
    expect(await status("/admin/models", { authorization: `Bearer ${API}` })).toBe(401);
  });

  it.each(["/livez", "/readyz", "/health", "/healthz"])("leaves %s open", async (path) => {
    expect(await statusWith({ api_keys: [API], admin_keys: [ADMIN] })(path)).toBe(200);
  });

  it("says what it expected, never what it got, and that a retry is useless", async () => {
    const { app } = testApp({ config: { api_keys: [API] } });
    const response = await app.request("/v1/models", { headers: { "x-api-key": "wrong-secret" } });
    expect(response.headers.get("x-should-retry")).toBe("false");
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: "invalid_api_key", type: "authentication_error" });
    expect(error.message).not.toContain("wrong-secret");
  });
});
