import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { auditListSchema } from "../../../shared/admin.ts";
import { openapiDocument } from "../../../supervisor/http/routes/openapi.ts";
import { type AuditRow, openAuditLog } from "../../../supervisor/store/audit-log.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { errorOf, testApp } from "../test-app.ts";

const row = (index: number, action: string, model: string | null): AuditRow => ({
  ts: new Date(Date.UTC(2026, 10, 20, 10, index)).toISOString(),
  action,
  model,
  actor: { key: "1a2b3c4d", address: "127.0.0.1", via: "http" },
  reason: index === 0 ? "looks odd" : null,
  details: { index },
});

const ROWS = [
  row(0, "quarantine", "org/a"),
  row(1, "release", "org/a"),
  row(2, "quarantine", "org/b"),
  row(3, "leave_safe_mode", null),
];

/** The app over a real audit log. */
async function withAuditLog(rows: readonly AuditRow[] = ROWS) {
  const path = join(await temporaryDirectory(), "audit.json");
  const audit = await openAuditLog({
    path,
    now: () => 0,
    log: { info: () => undefined, error: () => undefined },
  });
  await Promise.all(rows.map((one) => audit.append(one)));
  const { app } = testApp({ audit });
  const ask = async (query = "") => {
    const response = await app.request(`/admin/audit${query}`);
    expect(response.status).toBe(200);
    return auditListSchema.parse(await response.json()).data;
  };
  return { app, ask };
}

describe("GET /admin/audit", () => {
  it.each([
    ["", [3, 2, 1, 0]],
    ["?model=org/a", [1, 0]],
    ["?action=quarantine", [2, 0]],
    ["?model=org/a&action=quarantine", [0]],
    ["?limit=2", [3, 2]],
    ["?action=quarantine&limit=1", [2]],
    ["?model=&action=&limit=", [3, 2, 1, 0]],
    ["?model=org/nobody", []],
  ] as const)("%s has those rows, the newest first", async (query, indices) => {
    const { ask } = await withAuditLog();
    expect(await ask(query)).toEqual(indices.map((index) => ROWS[index]));
  });

  it("has 100 rows unless more are asked for", async () => {
    const { ask } = await withAuditLog(
      Array.from({ length: 130 }, (_, index) => row(index, "load", "org/a")),
    );
    const rows = await ask();
    expect([rows.length, rows[0]!.details.index]).toEqual([100, 129]);
    expect(await ask("?limit=2000")).toHaveLength(130);
  });

  it.each([
    ["?limit=0", "expected number ≥ 1"],
    ["?limit=2001", "expected number ≤ 2000"],
    ["?limit=1.5", "expected integer"],
    ["?limit=many", "expected number"],
  ])("%s is 400 with the name of the parameter", async (query, message) => {
    const { app } = await withAuditLog([]);
    const response = await app.request(`/admin/audit${query}`);
    expect([response.status, response.headers.get("x-should-retry")]).toEqual([400, "false"]);
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: "invalid_request_error", param: "limit" });
    expect(error.message).toContain(message);
  });

  it("needs the admin key where there is one", async () => {
    const { app } = testApp({ config: { api_keys: ["inference"], admin_keys: ["admin-secret"] } });
    const status = async (headers: Record<string, string>) =>
      (await app.request("/admin/audit", { headers })).status;
    expect(await status({ "x-api-key": "inference" })).toBe(401);
    expect(await status({ "x-admin-key": "admin-secret" })).toBe(200);
  });

  it("is described in the API's document", () => {
    const { parameters = [] } = openapiDocument(testApp().app).paths?.["/admin/audit"]?.get ?? {};
    expect(parameters.map((one) => ("name" in one ? [one.name, one.required === true] : []))).toEqual([
      ["model", false],
      ["action", false],
      ["limit", false],
    ]);
  });
});
