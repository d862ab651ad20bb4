import { expect, it } from "vitest";
import { testApp } from "../test-app.ts";

const { app } = testApp();

async function idFor(given?: string) {
  const response = await app.request(
    "/livez",
    given === undefined ? {} : { headers: { "x-request-id": given } },
  );
  return response.headers.get("x-request-id");
}

it("makes a new id for every request", async () => {
  const ids = [await idFor(), await idFor()];
  expect(ids[0]).toMatch(/^req_[0-9a-f-]{36}$/);
  expect(ids[0]).not.toBe(ids[1]);
});

it("keeps a sane id of the client", async () => {
  expect(await idFor("trace:12.A-b_c")).toBe("trace:12.A-b_c");
});

it.each(["", "a b", "a".repeat(129), 'x"y', "<script>"])("replaces the id %j", async (given) => {
  expect(await idFor(given)).toMatch(/^req_/);
});

it("replaces an id that is one of the service's keys: it would be written down", async () => {
  const keyed = testApp({
    config: { api_keys: ["secret-of-clients"], admin_keys: ["secret-of-operators"] },
  }).app;
  for (const key of ["secret-of-clients", "x:secret-of-operators"]) {
    const response = await keyed.request("/livez", { headers: { "x-request-id": key } });
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
  }
});
