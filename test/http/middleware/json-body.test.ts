import { describe, expect, it } from "vitest";
import { INFERENCE_LIMITS } from "../../../supervisor/http/body/body-limits.ts";
import { CHAT, errorOf, JSON_TYPE, post, testApp } from "../test-app.ts";

const { app, cluster } = testApp();
const PATH = "/v1/chat/completions";

/** A body that arrives piece by piece without a declared length, and counts what was taken of it. */
function endlessBody() {
  const taken = { bytes: 0 };
  const chunk = new Uint8Array(1024 * 1024).fill(0x20);
  const body = new ReadableStream({
    pull(controller) {
      taken.bytes += chunk.byteLength;
      controller.enqueue(chunk);
    },
  });
  return { taken, request: { method: "POST", headers: JSON_TYPE, body, duplex: "half" } as RequestInit };
}

describe("a JSON body", () => {
  it.each([
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON",
    "application/vnd.api+json",
  ])("is taken as %s", async (contentType) => {
    expect((await post(app, PATH, CHAT, { "content-type": contentType })).status).toBe(200);
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx", "json"])(
    "is refused as %j with 415, before it is read",
    async (contentType) => {
      const response = await post(app, PATH, CHAT, { "content-type": contentType });
      expect(response.status).toBe(415);
      expect((await errorOf(response)).code).toBe("unsupported_media_type");
    },
  );

  it("is refused compressed", async () => {
    expect((await post(app, PATH, CHAT, { "content-encoding": "gzip" })).status).toBe(415);
  });

  it("that is malformed is 400 with the position", async () => {
    const response = await post(app, PATH, '{"model": demo}');
    expect(response.status).toBe(400);
    expect((await errorOf(response)).message).toContain('found "d" at position 10');
  });

  it("of {} is 400 and names what is missing", async () => {
    const response = await post(app, PATH, {});
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({
      param: "model",
      message: "model: expected string, got nothing; messages: expected array, got nothing.",
    });
  });

  it("is refused by its declared length without reading a byte", async () => {
    const { request, taken } = endlessBody();
    const headers = { ...JSON_TYPE, "content-length": String(INFERENCE_LIMITS.bytes + 1) };
    const response = await app.request(PATH, { ...request, headers });
    expect(response.status).toBe(413);
    expect(taken.bytes).toBeLessThanOrEqual(1024 * 1024);
  });

  it("without a declared length is refused the moment it is over the cap", async () => {
    const { request, taken } = endlessBody();
    const response = await app.request(PATH, request);
    expect(response.status).toBe(413);
    expect(await errorOf(response)).toMatchObject({ code: "request_too_large" });
    expect(taken.bytes).toBeLessThanOrEqual(INFERENCE_LIMITS.bytes + 2 * 1024 * 1024);
  });

  it("that is refused reaches no model", async () => {
    const before = cluster.generateCalls.length;
    await post(app, PATH, { ...CHAT, messages: [] });
    await post(app, PATH, { ...CHAT, n: 9 });
    expect(cluster.generateCalls.length).toBe(before);
  });
});
