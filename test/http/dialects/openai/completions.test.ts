import { describe, expect, it } from "vitest";
import { modelSettingsSchema } from "../../../../shared/config.ts";
import { LmxError } from "../../../../shared/errors.ts";
import { type GenerationEvent, generationRequestSchema } from "../../../../shared/generation.ts";
import {
  type Completion,
  completionChunkSchema,
  completionRequestSchema,
  completionSchema,
} from "../../../../shared/openai-completions.ts";
import { completions } from "../../../../supervisor/http/dialects/openai/completions.ts";
import { FINISH, PONG } from "../../fake-cluster.ts";
import { dataFrames } from "../../test-app.ts";

const HEAD = { id: "cmpl-1", created: 5, model: "alias" };
const SETTINGS = modelSettingsSchema.parse({});
const SAMPLING = { temperature: 1, top_p: 1, seed: 42 };
const TOKEN = { token_id: 3, token: "po", bytes: [112, 111], logprob: -0.5 };
const TOKENS: GenerationEvent = {
  type: "text",
  text: "po",
  logprobs: [{ ...TOKEN, top: [{ token_id: 4, token: "pa", bytes: [112, 97], logprob: -0.25 }] }],
};

function decode(extra: object) {
  const body = completionRequestSchema.parse({ model: "m", prompt: "ping", ...extra });
  const call = completions.decode(body, SETTINGS, 42);
  for (const request of call.requests) expect(generationRequestSchema.parse(request)).toEqual(request);
  return call;
}

function promptsOf(extra: object) {
  return decode(extra).requests.map(({ prompt }) => prompt);
}

describe("decoding a completion", () => {
  it("bounds logit_bias by what all answers are to be told together", () => {
    const logit_bias = Object.fromEntries(Array.from({ length: 10_000 }, (_, id) => [id, 1]));
    expect(decode({ logit_bias, prompt: Array(4).fill("a") }).requests).toHaveLength(4);
    expect(() => decode({ logit_bias, prompt: Array(5).fill("a") })).toThrow(
      expect.objectContaining({
        code: "invalid_request_error",
        param: "logit_bias",
        message: expect.stringContaining("50000 token ids for 5 answers together; at most 40000"),
      }),
    );
  });

  it("takes a text, and 16 tokens unless told otherwise", () => {
    expect(decode({}).requests).toEqual([
      { prompt: { kind: "text", text: "ping" }, sampling: SAMPLING, max_tokens: 16 },
    ]);
    expect(decode({ max_tokens: 3 }).requests[0]?.max_tokens).toBe(3);
  });

  it.each([
    [
      "texts",
      ["a", "b"],
      [
        { kind: "text", text: "a" },
        { kind: "text", text: "b" },
      ],
    ],
    ["token ids", [1, 2], [{ kind: "token_ids", token_ids: [1, 2] }]],
    [
      "lists of token ids",
      [[1], [2, 3]],
      [1, 2].map((n) => ({ kind: "token_ids", token_ids: n === 1 ? [1] : [2, 3] })),
    ],
    ["an empty text", "", [{ kind: "text", text: "" }]],
  ])("takes %s", (_name, prompt, expected) => {
    expect(promptsOf({ prompt })).toEqual(expected);
  });

  it("fills in before a suffix", () => {
    expect(promptsOf({ suffix: "end" })).toEqual([{ kind: "fill", prefix: "ping", suffix: "end" }]);
    expect(promptsOf({ suffix: "" })).toEqual([{ kind: "text", text: "ping" }]);
  });

  it("gives each prompt n answers, neighbours in the list, with neighbouring seeds", () => {
    const { requests, choicesPerPrompt } = decode({ prompt: ["a", "b"], n: 2, best_of: 2 });
    expect(requests.map(({ prompt, sampling }) => [prompt, sampling.seed])).toEqual([
      [{ kind: "text", text: "a" }, 42],
      [{ kind: "text", text: "a" }, 43],
      [{ kind: "text", text: "b" }, 42],
      [{ kind: "text", text: "b" }, 43],
    ]);
    expect(choicesPerPrompt).toBe(2);
  });

  it("asks for the prompt as text only to echo it", () => {
    expect(decode({ echo: true }).requests[0]?.return_prompt).toBe(true);
    expect(decode({ echo: false }).requests[0]).not.toHaveProperty("return_prompt");
  });

  it.each([
    ["best_of", { best_of: 3, n: 2 }],
    ["logprobs", { echo: true, logprobs: 0 }],
    ["suffix", { prompt: [1, 2], suffix: "end" }],
  ])("refuses what it would have to ignore: %s", (param, extra) => {
    expect(() => decode(extra)).toThrow(expect.objectContaining({ code: "unsupported_parameter", param }));
  });

  it("refuses more answers than one request may occupy", () => {
    expect(() => decode({ prompt: Array(17).fill("a"), n: 8 })).toThrow(
      expect.objectContaining({ code: "invalid_request_error", param: "prompt" }),
    );
  });

  it.each([[[]], [[[]]], [["a", 1]], [[-1]], [[1.5]], [[1e308]], [5], [null], [{}]])(
    "refuses the prompt %j",
    (prompt) => {
      const parsed = completionRequestSchema.safeParse({ model: "m", prompt });
      if (JSON.stringify(prompt) === "[[]]") expect(parsed.success).toBe(true);
      else expect(parsed.error?.issues[0]?.path[0]).toBe("prompt");
    },
  );
});

function encode(extra: object, promptText: string | null, ...choices: (readonly GenerationEvent[])[]) {
  const pieces = completions.encode(
    HEAD,
    decode(extra),
    choices.map((events) => ({ promptText, events })),
  );
  return JSON.parse([...pieces].join("")) as Completion;
}

describe("a whole completion", () => {
  it("puts text, usage and every nullable key into one object", () => {
    const answer = encode({}, null, PONG);
    expect(completionSchema.parse(answer)).toEqual(answer);
    expect(answer).toEqual({
      ...HEAD,
      object: "text_completion",
      choices: [{ index: 0, text: "pong", logprobs: null, finish_reason: "stop" }],
      usage: {
        prompt_tokens: 3,
        completion_tokens: 2,
        total_tokens: 5,
        prompt_tokens_details: { cached_tokens: 1 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
    });
  });

  it("begins with the prompt when it is echoed", () => {
    expect(encode({ echo: true }, "ping", PONG).choices[0]?.text).toBe("pingpong");
  });

  it("counts each prompt once, however many answers it got", () => {
    const { usage, choices } = encode({ prompt: ["a", "b"], n: 2 }, null, PONG, PONG, PONG, PONG);
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 8, total_tokens: 14 });
  });

  it("has log probabilities in the old shape, the chosen token among the alternatives", () => {
    const answer = encode({ logprobs: 1 }, null, [TOKENS, TOKENS, FINISH]);
    expect(completionSchema.parse(answer)).toEqual(answer);
    expect(answer.choices[0]?.logprobs).toEqual({
      tokens: ["po", "po"],
      token_logprobs: [-0.5, -0.5],
      top_logprobs: [
        { po: -0.5, pa: -0.25 },
        { po: -0.5, pa: -0.25 },
      ],
      text_offset: [0, 2],
    });
  });

  it("is text, whatever the model calls it", () => {
    const events: GenerationEvent[] = [{ type: "reasoning", text: "hm" }, ...PONG];
    expect(encode({}, null, events).choices[0]?.text).toBe("hmpong");
  });
});

describe("a streamed completion", () => {
  function framesOf(
    events: readonly GenerationEvent[],
    extra: object = {},
    promptText: string | null = null,
  ) {
    const encoder = completions.stream(HEAD, decode(extra), [promptText]);
    const said = events.map((event) => encoder.event({ index: 0, event }));
    return dataFrames(encoder.open() + said.join("") + encoder.close());
  }
  const chunk = (text: string, finish_reason: string | null = null, logprobs: object | null = null) => ({
    ...HEAD,
    object: "text_completion",
    choices: [{ index: 0, text, logprobs, finish_reason }],
  });

  it("sends text as it comes, one end and [DONE]", () => {
    expect(framesOf(PONG)).toEqual([chunk("po"), chunk("ng"), chunk("", "stop"), "[DONE]"]);
  });

  it("begins with an echoed prompt", () => {
    expect(framesOf(PONG, { echo: true }, "ping")[0]).toEqual(chunk("ping"));
  });

  it("goes on counting offsets from chunk to chunk", () => {
    const frames = framesOf([TOKENS, TOKENS, FINISH], { logprobs: 1 });
    const logprobs = { tokens: ["po"], token_logprobs: [-0.5], top_logprobs: [{ po: -0.5, pa: -0.25 }] };
    expect(frames.slice(0, 2)).toEqual([
      chunk("po", null, { ...logprobs, text_offset: [0] }),
      chunk("po", null, { ...logprobs, text_offset: [2] }),
    ]);
  });

  it("sends usage in a chunk of its own, and null in every other, when asked", () => {
    const frames = framesOf(PONG, { stream_options: { include_usage: true } });
    expect(frames.slice(0, -2).every((frame) => (frame as { usage: unknown }).usage === null)).toBe(true);
    expect(frames.at(-2)).toMatchObject({ choices: [], usage: { total_tokens: 5 } });
    for (const frame of frames.slice(0, -1)) expect(completionChunkSchema.parse(frame)).toEqual(frame);
  });

  it("says a failure as an error object of its own, then [DONE]", () => {
    const encoder = completions.stream(HEAD, decode({}), [null]);
    expect(dataFrames(encoder.fail(new LmxError("worker_crashed", "died")))).toMatchObject([
      { error: { code: "worker_crashed", type: "server_error" } },
      "[DONE]",
    ]);
  });
});
