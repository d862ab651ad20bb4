import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { modelSettingsSchema } from "../../../shared/config.ts";
import { LmxError } from "../../../shared/errors.ts";
import { BodyDecoder } from "../../../supervisor/http/body/body-decoder.ts";
import { DecodePool } from "../../../supervisor/http/body/decode-pool.ts";
import { decodeInThread } from "../../../supervisor/http/body/decode-thread.ts";
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

describe("a body that wants a thread", () => {
  async function brokenThread(text: string | null) {
    const directory = await mkdtemp(join(tmpdir(), "lmx-decode-thread-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = join(directory, "thread.mjs");
    if (text !== null) await writeFile(file, text);
    return { file, decoder: new BodyDecoder({ bytes: 0, values: 0 }, new DecodePool(file)) };
  }

  it.each([
    ["has gone from disk", null],
    ["does not load", 'import "./gone.mjs";'],
    ["throws when it is loaded", 'throw new Error("broken");'],
  ])("is refused, and the service lives on, when the thread's file %s", async (_, text) => {
    const { decoder } = await brokenThread(text);
    const refused = {
      code: "internal_error",
      message: expect.stringMatching(/cannot start a thread/),
      cause: expect.any(Error),
    };
    const several = Array.from({ length: 4 }, () =>
      expect(decode(decoder, CHAT).call).rejects.toMatchObject(refused),
    );
    await Promise.all(several);
    await expect(decode(decoder, CHAT).call).rejects.toMatchObject(refused);
    await decoder.close();
  });

  it("is read as soon as the thread's file is back", async () => {
    const { file, decoder } = await brokenThread(null);
    await expect(decode(decoder, CHAT).call).rejects.toThrow();
    const sources = new URL("../../../supervisor/http/body/decode-thread.ts", import.meta.url);
    await writeFile(file, `export { decodeInThread } from ${JSON.stringify(sources.href)};`);
    expect((await decode(decoder, CHAT).call).requests).toHaveLength(2);
    await decoder.close();
  });

  it("is refused by a thread of another version than the service's", async () => {
    const task = {
      api: "chat-completions",
      bytes: new Uint8Array(),
      assignedSeed: 1,
      version: "0.0.0-other",
    } as const;
    await expect(decodeInThread({ ...task, port: new MessageChannel().port1 })).rejects.toThrow(/version/);
  });
});
