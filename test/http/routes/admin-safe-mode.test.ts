import { describe, expect, it } from "vitest";
import { RawClient, rawPost, serve } from "../served-app.ts";
import { errorOf, post, testApp } from "../test-app.ts";

const PATH = "/admin/safe-mode/leave";

describe("POST /admin/safe-mode/leave", () => {
  it("leaves once, and says whether there was anything to leave", async () => {
    const { app, safeMode } = testApp();
    safeMode.isOn = true;
    const answers = [await post(app, PATH, { reason: "driver updated" }), await post(app, PATH, {})];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(await Promise.all(answers.map((one) => one.json()))).toEqual([{ left: true }, { left: false }]);
    const actor = { key: null, address: null, via: "http" };
    expect(safeMode.words).toEqual([
      { actor, reason: "driver updated" },
      { actor, reason: null },
    ]);
  });

  it("takes a POST without any body, as curl sends it, and notes where it came from", async () => {
    const { listener, safeMode } = await serve();
    const client = new RawClient(Number(new URL(listener.url).port));
    client.send(rawPost(PATH, "", { "content-type": "", "content-length": "", connection: "close" }));
    expect(await client.closed).toMatch(/^HTTP\/1.1 200 /);
    expect(safeMode.words).toMatchObject([{ actor: { address: "127.0.0.1" }, reason: null }]);
  });

  it.each([
    ["text/plain", "{}", 415],
    ["application/json", "{", 400],
    ["application/json", "", 400],
    ["application/json", '{"reason":7}', 400],
  ])("refuses a body of %s %j and leaves nothing", async (type, body, status) => {
    const { app, safeMode } = testApp();
    const response = await app.request(PATH, { method: "POST", headers: { "content-type": type }, body });
    expect([response.status, response.headers.get("x-should-retry")]).toEqual([status, "false"]);
    await errorOf(response);
    expect(safeMode.words).toEqual([]);
  });

  it("refuses other sites' pages and callers without the key", async () => {
    const { app, safeMode } = testApp({ config: { admin_keys: ["admin-secret"] } });
    const status = async (headers: Record<string, string>) =>
      (await app.request(PATH, { method: "POST", headers })).status;
    expect(await status({})).toBe(401);
    expect(await status({ "x-admin-key": "admin-secret", origin: "https://elsewhere.example" })).toBe(403);
    expect(safeMode.words).toEqual([]);
    expect(await status({ "x-admin-key": "admin-secret" })).toBe(200);
  });
});
