import { describe, expect, it } from "vitest";
import { testApp } from "../test-app.ts";

const ORIGIN = "https://chat.example";
const preflight = {
  method: "OPTIONS",
  headers: {
    origin: ORIGIN,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type",
  },
};

describe("CORS", () => {
  it("answers a preflight of an allowed origin without a key", async () => {
    const { app } = testApp({ config: { allowed_origins: [ORIGIN], api_keys: ["key-12345678"] } });
    const response = await app.request("/v1/chat/completions", preflight);
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(response.headers.get("access-control-allow-methods")).toContain("POST");
    expect(response.headers.get("access-control-allow-headers")).toContain("content-type");
  });

  it("lets an allowed origin read answers and errors, with the headers that matter", async () => {
    const { app } = testApp({ config: { allowed_origins: [ORIGIN] } });
    for (const path of ["/v1/models", "/v1/models/nobody"]) {
      const response = await app.request(path, { headers: { origin: ORIGIN } });
      expect(response.headers.get("access-control-allow-origin")).toBe(ORIGIN);
      expect(response.headers.get("access-control-expose-headers")).toContain("x-should-retry");
    }
  });

  it("gives nothing to other origins, nor to anybody on /admin", async () => {
    const { app } = testApp({ config: { allowed_origins: [ORIGIN] } });
    const other = await app.request("/v1/models", { headers: { origin: "https://evil.example" } });
    const otherPreflight = await app.request("/v1/models", {
      ...preflight,
      headers: { origin: "https://evil.example" },
    });
    const admin = await app.request("/admin/models", preflight);
    for (const response of [other, otherPreflight, admin]) {
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
    }
    expect(admin.status).toBe(403);
  });

  it("allows every origin when configured with *", async () => {
    const { app } = testApp({ config: { allowed_origins: ["*"] } });
    const response = await app.request("/v1/models", { headers: { origin: ORIGIN } });
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
  });
});
