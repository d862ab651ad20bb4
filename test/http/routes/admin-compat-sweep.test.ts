import { OpenAPIHono } from "@hono/zod-openapi";
import { describe, expect, it } from "vitest";
import { sweepAcceptedSchema, sweepStatusSchema } from "../../../shared/admin-sweep.ts";
import { toLmxError } from "../../../shared/errors.ts";
import type { AppEnv } from "../../../supervisor/http/app-context.ts";
import { respondWithError } from "../../../supervisor/http/error-reply.ts";
import { addAdminCompatSweepRoutes } from "../../../supervisor/http/routes/admin-compat-sweep.ts";
import { openapiDocument } from "../../../supervisor/http/routes/openapi.ts";
import { auditedSweep } from "../../../supervisor/service/audited-sweep.ts";
import type { AuditRow } from "../../../supervisor/store/audit-log.ts";
import { sweepWithFakes, until } from "../../support/fake-sweep.ts";
import { errorOf, post } from "../test-app.ts";

const PATH = "/admin/models/compatibility/sweep";

async function served() {
  const fakes = await sweepWithFakes({ manual: ["load"] });
  const app = new OpenAPIHono<AppEnv>();
  app.onError((thrown, c) => respondWithError(c, toLmxError(thrown)));
  const audited: AuditRow[] = [];
  const audit = { append: async (row: AuditRow) => void audited.push(row) };
  addAdminCompatSweepRoutes(app, { sweep: auditedSweep(fakes.sweep, audit) });
  const status = async (response: Response) => sweepStatusSchema.parse(await response.json());
  return { ...fakes, app, status, audited };
}

describe("the sweep over HTTP", () => {
  it("begins with 202, tells how far it is, and ends on DELETE", async () => {
    const { app, status, workers } = await served();
    expect((await status(await app.request(PATH))).state).toBe("idle");
    const begun = await post(app, PATH, { archs: ["a"] });
    expect(begun.status).toBe(202);
    const { id } = sweepAcceptedSchema.parse(await begun.json());
    expect(await status(await app.request(PATH))).toMatchObject({
      id,
      state: "running",
      total: 1,
      current: "a",
    });
    await until(() => workers.length === 1);
    const ended = await app.request(PATH, { method: "DELETE" });
    expect(ended.status).toBe(200);
    expect(await status(ended)).toMatchObject({ id, state: "cancelled", done: 0 });
  });

  it("ends on a post to /cancel too, and none running is a success", async () => {
    const { app, status } = await served();
    const answer = await app.request(`${PATH}/cancel`, { method: "POST" });
    expect([answer.status, (await status(answer)).state]).toEqual([200, "idle"]);
  });

  it("stands in the audit trail, with who began and who ended it, and only what came of it", async () => {
    const { app, audited } = await served();
    await app.request(PATH, { method: "DELETE" });
    const begun = await post(app, PATH, { archs: ["a"] }, { "x-admin-key": "an-operators-key" });
    const { id } = sweepAcceptedSchema.parse(await begun.json());
    await post(app, PATH, {});
    await app.request(PATH, { method: "DELETE" });
    expect(audited.map(({ action, actor, details }) => [action, actor.key, details])).toEqual([
      ["compat_sweep", expect.stringMatching(/^[0-9a-f]{8}$/), { sweep: id, total: 1 }],
      ["compat_sweep_cancel", null, { sweep: id }],
    ]);
  });

  it("refuses a second one with 429 that no client repeats by itself", async () => {
    const { app, sweep } = await served();
    await post(app, PATH, {});
    const second = await post(app, PATH, {});
    expect([second.status, second.headers.get("x-should-retry")]).toEqual([429, "false"]);
    expect(await errorOf(second)).toMatchObject({
      code: "rate_limit_exceeded",
      message: expect.stringContaining("end it with DELETE"),
    });
    await sweep.cancel();
  });

  it.each([
    [{ archs: [] }, "archs"],
    [{ archs: ["nope"] }, "archs"],
    [{ archs: [""] }, "archs.0"],
    [{ force: "yes" }, "force"],
  ])("refuses %j with 400", async (body, param) => {
    const { app } = await served();
    const response = await post(app, PATH, body);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "invalid_request_error", param });
  });

  it("is described in the API's document", async () => {
    const { app } = await served();
    const { paths } = openapiDocument(app);
    expect(Object.keys(paths?.[PATH] ?? {}).toSorted()).toEqual(["delete", "get", "post"]);
    expect(Object.keys(paths?.[`${PATH}/cancel`] ?? {})).toEqual(["post"]);
  });
});
