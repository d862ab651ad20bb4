import { describe, expect, it } from "vitest";
import { configReloadSchema, configReportSchema } from "../../../shared/admin-config.ts";
import { LmxError } from "../../../shared/errors.ts";
import { errorOf, testApp } from "../test-app.ts";

const reload = (app: ReturnType<typeof testApp>["app"], headers: Record<string, string> = {}) =>
  app.request("/admin/config/reload", { method: "POST", headers });

describe("POST /admin/config/reload", () => {
  it("needs no body and answers with what changed, asked for by whom", async () => {
    const { app, settings } = testApp({ config: { admin_keys: ["admin-secret"] } });
    settings.onReload = () => ({
      applied: [{ key: "port", from: 1, to: 2, takes_effect: "now", restart_models: ["m"] }],
      needs_restart: [],
      unchanged: 7,
      loading: [],
      not_loaded: [],
    });
    const response = await reload(app, { "x-admin-key": "admin-secret" });
    expect(response.status).toBe(200);
    expect(configReloadSchema.parse(await response.json())).toEqual(settings.onReload());
    expect(settings.actors).toMatchObject([{ via: "http", key: expect.stringMatching(/^[0-9a-f]{8}$/) }]);
  });

  it("is 400 with every problem when the configuration is wrong", async () => {
    const { app, settings } = testApp();
    settings.onReload = () => {
      throw new LmxError("invalid_request_error", "wrong", { details: { problems: ["one", "two"] } });
    };
    const response = await reload(app);
    expect([response.status, response.headers.get("x-should-retry")]).toEqual([400, "false"]);
    expect(await errorOf(response)).toMatchObject({ details: { problems: ["one", "two"] } });
  });

  it("is refused to pages of other origins and without the key", async () => {
    const { app, settings } = testApp({ config: { admin_keys: ["admin-secret"] } });
    expect((await reload(app)).status).toBe(401);
    expect((await reload(app, { origin: "http://elsewhere.example" })).status).toBe(403);
    expect(settings.actors).toEqual([]);
  });
});

it("GET /admin/config is what is in force", async () => {
  const { app, settings } = testApp();
  settings.report = {
    config_file: "/c.yaml",
    state_directory: "/s",
    values: [{ key: "port", value: 1, source: "file", from: "/c.yaml" }],
    needs_restart: [{ key: "host", from: "a", to: "b" }],
  };
  const response = await app.request("/admin/config");
  expect(configReportSchema.parse(await response.json())).toEqual(settings.report);
});

describe("a configuration that changes", () => {
  it("changes the keys at once: the old one opens nothing any more", async () => {
    const { app, configure } = testApp({
      config: { admin_keys: ["old-admin-key"], api_keys: ["old-api-key"] },
    });
    const admin = async (key: string) =>
      (await app.request("/admin/status", { headers: { "x-admin-key": key } })).status;
    const models = async (key: string) =>
      (await app.request("/v1/models", { headers: { "x-api-key": key } })).status;
    expect([await admin("old-admin-key"), await models("old-api-key")]).toEqual([200, 200]);
    configure({ admin_keys: ["new-admin-key"], api_keys: ["new-api-key"] });
    expect([await admin("old-admin-key"), await models("old-api-key")]).toEqual([401, 401]);
    expect([await admin("new-admin-key"), await models("new-api-key")]).toEqual([200, 200]);
  });

  it("changes the origins at once", async () => {
    const { app, configure } = testApp();
    const shared = async () => {
      const headers = { origin: "https://ui.example" };
      const response = await app.request("/v1/models", { headers });
      return response.headers.get("access-control-allow-origin");
    };
    expect(await shared()).toBeNull();
    configure({ allowed_origins: ["https://ui.example"] });
    expect(await shared()).toBe("https://ui.example");
  });
});
