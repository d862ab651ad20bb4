import { expect, it } from "vitest";
import { statusSchema } from "../../../shared/admin.ts";
import { testApp } from "../test-app.ts";

it("GET /admin/status is what the service says", async () => {
  const { app, service } = testApp();
  const response = await app.request("/admin/status");
  expect(response.status).toBe(200);
  expect(statusSchema.parse(await response.json())).toEqual(service.status());
});
