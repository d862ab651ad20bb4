import { afterAll, describe, expect, it } from "vitest";
import { modelSettingsSchema } from "../../../shared/config.ts";
import { LmxError } from "../../../shared/errors.ts";
import { BodyDecoder } from "../../../supervisor/http/body/body-decoder.ts";
import type { InferenceApi } from "../../../supervisor/http/body/inference-apis.ts";

const settings = modelSettingsSchema.parse({
  sampling: { temperature: 0.3 },
  chat_template_kwargs: { a: 1 },
});
const inline = new BodyDecoder();
const threaded = new BodyDecoder({ bytes: 0, values: 0 });
afterAll(() => threaded.close());

function decode(decoder: BodyDecoder, body: unknown, api: InferenceApi = "chat-completions") {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const bytes = new Uint8Array(new TextEncoder().encode(text));
  const asked: string[] = [];
  const findSettings = async (model: string) => {
    asked.push(model);
    if (model === "missing") throw new LmxError("model_not_found", "No model missing.", { param: "model" });
    return settings;
  };
  const call = decoder.decode(api, { bytes, values: 1 }, { assignedSeed: 7, owner: "o", findSettings });
  return { call, asked };
}

const CHAT = { model: "m", messages: [{ role: "user", content: "hé 漢" }], n: 2 };

describe("a body", () => {
  it.each([
    ["chat-completions", CHAT],
    ["completions", { model: "m", prompt: [[3], [1, 2]], echo: true, stop: "x" }],
  ] as const)("of %s is the same read on the event loop and in a thread", async (api, body) => {
    const there = await decode(threaded, body, api).call;
    expect(there).toEqual(await decode(inline, body, api).call);
    expect(
      there.requests.map(({ prompt }) => JSON.parse(Buffer.from(prompt.bytes).toString())),
    ).toMatchObject(
      api === "chat-completions"
        ? [{ messages: [{ content: "hé 漢" }], chat_template_kwargs: { a: 1 } }, { kind: "messages" }]
        : [
            { kind: "token_ids", token_ids: [3] },
            { kind: "token_ids", token_ids: [1, 2] },
          ],
    );
  });

  it("with several choices has its prompt once", async () => {
    for (const decoder of [inline, threaded]) {
      const { requests } = await decode(decoder, CHAT).call;
      expect(requests.map(({ sampling }) => sampling.seed)).toEqual([7, 8]);
      expect(requests[0]?.prompt).toBe(requests[1]?.prompt);
    }
  });

  it("is refused alike in both, and names its model only when it is sound", async () => {
    for (const decoder of [inline, threaded]) {
      const wrong = decode(decoder, { ...CHAT, messages: [{ role: "nobody" }] });
      await expect(wrong.call).rejects.toMatchObject({
        code: "invalid_request_error",
        param: "messages.0.role",
      });
      expect(wrong.asked).toEqual([]);
      const broken = decode(decoder, '{"model": tru');
      await expect(broken.call).rejects.toThrow(/not valid JSON: found "t" at position 10/);
      const missing = decode(decoder, { ...CHAT, model: "missing" });
      await expect(missing.call).rejects.toMatchObject({ code: "model_not_found", param: "model" });
      expect(missing.asked).toEqual(["missing"]);
      const unsupported = decode(decoder, { ...CHAT, response_format: { type: "nonsense" } });
      await expect(unsupported.call).rejects.toBeInstanceOf(LmxError);
    }
  });

  it("that takes long leaves the event loop free", async () => {
    const decoder = new BodyDecoder();
    const messages = Array.from({ length: 20_000 }, () => ({
      role: "user",
      content: [{ type: "text", text: "a" }],
    }));
    const bytes = new Uint8Array(new TextEncoder().encode(JSON.stringify({ model: "m", messages })));
    let turns = 0;
    const count = () => {
      turns += 1;
      ticking = setImmediate(count);
    };
    let ticking = setImmediate(count);
    const { requests } = await decoder.decode(
      "chat-completions",
      { bytes, values: 100_000 },
      { assignedSeed: 1, owner: "o", findSettings: async () => settings },
    );
    clearImmediate(ticking);
    await decoder.close();
    expect(requests).toHaveLength(1);
    expect(turns).toBeGreaterThan(100);
  });
});
