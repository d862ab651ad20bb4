import { describe, expect, it } from "vitest";
import { ADMIN_LIMITS, BodyMeter, INFERENCE_LIMITS } from "../../../supervisor/http/body/body-limits.ts";

const MIB = 1024 * 1024;

/** Feeds a body as it would come over a socket; tells how much of it was taken. */
function feed(text: string, limits = INFERENCE_LIMITS, pieceBytes = 64 * 1024) {
  const bytes = Buffer.from(text);
  const meter = new BodyMeter(limits);
  let taken = 0;
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      taken = at;
      meter.feed(bytes.subarray(at, at + pieceBytes));
    }
    return { taken: bytes.length, values: meter.values, error: null };
  } catch (error) {
    return { taken, values: meter.values, error };
  }
}

const many = (item: string, bytes: number) =>
  `[${`${item},`.repeat(Math.floor(bytes / (item.length + 1)))}${item}]`;
const refusal = (param: string, message: RegExp) =>
  expect.objectContaining({
    code: "invalid_request_error",
    param,
    message: expect.stringMatching(message),
  });

describe("the limits of an inference body", () => {
  it.each([
    ["messages", "0"],
    ["messages", "{}"],
    ["messages", '{"34":0}'],
    ["messages", '{"role":"user","content":""}'],
    ["prompt", '"a"'],
    ["tools", '{"type":"function"}'],
    ["stop", '"a"'],
    ["chat_template_kwargs", '{"34":0}'],
    ["response_format", "[]"],
    ["functions", "null"],
    ["metadata", '{"a":1}'],
  ])("refuse a bomb in %s of %s, naming it, long before its end", (field, item) => {
    const { error, taken } = feed(`{"model":"x",${JSON.stringify(field)}:${many(item, 15 * MIB)}}`);
    expect(error).toEqual(refusal(field, new RegExp(`^${field}: more than \\d+ values`)));
    expect(taken).toBeLessThan(6 * MIB);
  });

  it.each(["logit_bias", "chat_template_kwargs", "metadata"])("refuse too many members of %s", (field) => {
    const members = Array.from({ length: 30_000 }, (_, index) => `"${index}":1`).join(",");
    expect(feed(`{"${field}":{${members}}}`).error).toEqual(refusal(field, /more than/));
  });

  it.each(["chat_template_kwargs", "user", "stop"])("refuse a long text in %s", (field) => {
    const text = `{"${field}":"${"x".repeat(2 * MIB)}"}`;
    expect(feed(text).error).toEqual(refusal(field, /longer than \d+ bytes/));
  });

  it("count fields that are not known together, and a field that comes twice as one", () => {
    const unknown = Array.from({ length: 100 }, (_, index) => `"f${index}":${many("{}", 300)}`).join(",");
    expect(feed(`{${unknown}}`).error).toEqual(refusal("f49", /more than 5000 values/));
    const twice = Array.from({ length: 4 }, () => `"messages":${many("[]", 90_000)}`).join(",");
    expect(feed(`{${twice}}`).error).toEqual(refusal("messages", /more than 100000 values/));
  });

  it("hold for a field whose name is escaped, cut anywhere, or no name at all", () => {
    const bomb = many("0", MIB);
    const escaped = `{"\\u006dessages":${bomb}}`;
    for (const pieceBytes of [1, 7, 4096])
      expect(feed(escaped, INFERENCE_LIMITS, pieceBytes).error).toEqual(refusal("messages", /more than/));
    expect(feed(`{"__proto__":${bomb}}`).error).toEqual(refusal("__proto__", /more than/));
    expect(feed(`{"\\ud83d":${bomb}}`).error).toMatchObject({ code: "invalid_request_error" });
  });

  it("hold for a body that is no object", () => {
    for (const text of [many("0", MIB), many(many("{}", 60), MIB)])
      expect(feed(text).error).toMatchObject({ code: "invalid_request_error", message: /^body: more than/ });
  });

  it("refuse nesting over 128 levels and take 128", () => {
    const nested = (depth: number) => `{"tools":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
    expect(feed(nested(128)).error).toBeNull();
    expect(feed(nested(129)).error).toEqual(refusal("tools", /nested deeper than 128/));
  });

  it("refuse what is over the whole limit, and what would become too much", () => {
    expect(feed(`{"messages":"${"x".repeat(16 * MIB)}"}`).error).toMatchObject({ code: "request_too_large" });
    const numbered = many('{"34":0}', 200_000);
    const fields = ["messages", "tools", "functions"].map((name) => `"${name}":${numbered}`).join(",");
    expect(feed(`{${fields},"prompt":${many("[]", 3 * MIB)}}`).error).toMatchObject({
      code: "request_too_large",
      param: "prompt",
      message: expect.stringMatching(/^prompt: .* memory/),
    });
  });

  it("leave room for the longest conversations, prompts and sets of tools", () => {
    const turn = JSON.stringify({
      role: "assistant",
      content: null,
      tool_calls: [{ id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }],
    });
    const schema = JSON.stringify({
      type: "function",
      function: {
        name: "f",
        parameters: { type: "object", properties: { a: { type: "string", enum: ["b", "c"] } } },
      },
    });
    for (const text of [
      `{"model":"x","messages":${many(turn, 1.2 * MIB)},"tools":${many(schema, 512 * 150)},"stream":true}`,
      `{"model":"x","messages":[{"role":"user","content":"${"word ".repeat(2 * MIB)}"}]}`,
      `{"model":"x","messages":[{"role":"user","content":"${"漢".repeat(4 * MIB)}"}]}`,
      `{"model":"x","prompt":[${Array.from({ length: 1_000_000 }, (_, index) => index % 150_000).join(",")}]}`,
      `{"suffix":"a","stop":["a"],"prompt":"b"}`,
    ])
      for (const pieceBytes of [1024, 65_536])
        expect(feed(text, INFERENCE_LIMITS, pieceBytes)).toMatchObject({ error: null });
  });
});

describe("the limits of an operator's body", () => {
  it("are small", () => {
    expect(feed(`{"model_id":"${"x".repeat(MIB)}"}`, ADMIN_LIMITS).error).toMatchObject({
      code: "request_too_large",
    });
    expect(feed(`{"x":${many("{}", 100_000)}}`, ADMIN_LIMITS).error).toEqual(refusal("x", /more than 5000/));
  });
});
