import { expect, it } from "vitest";
import { errorOf, testApp } from "../test-app.ts";

const { app } = testApp();
const from = (origin: string) => ({ headers: { host: "localhost:1234", origin } });

it.each(["https://evil.example", "http://localhost:9999", "null", "http://127.0.0.1:1234"])(
  "refuses /admin to a page of %s",
  async (origin) => {
    const response = await app.request("/admin/models", from(origin));
    expect(response.status).toBe(403);
    expect((await errorOf(response)).code).toBe("forbidden_origin");
  },
);

it("serves /admin to its own pages and to programs, which send no Origin", async () => {
  expect((await app.request("/admin/models", from("http://localhost:1234"))).status).toBe(200);
  expect((await app.request("/admin/models")).status).toBe(200);
});

it.each(["cross-site", "same-site"])(
  "refuses an image or a link of a %s page, which sends no Origin",
  async (site) => {
    const response = await app.request("/admin/models", { headers: { "sec-fetch-site": site } });
    expect(response.status).toBe(403);
    const { code, message } = await errorOf(response);
    expect({ code, message }).toEqual({
      code: "forbidden_origin",
      message: expect.stringContaining(`Sec-Fetch-Site: ${site}`),
    });
  },
);

it.each(["same-origin", "none"])("serves /admin to a browser that says %s", async (site) => {
  expect((await app.request("/admin/models", { headers: { "sec-fetch-site": site } })).status).toBe(200);
});
