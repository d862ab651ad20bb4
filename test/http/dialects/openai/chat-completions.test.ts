import { describe, expect, it } from "vitest";
import { type ModelSettings, modelSettingsSchema } from "../../../../shared/config.ts";
import { LmxError } from "../../../../shared/errors.ts";
import { type GenerationEvent, generationRequestSchema } from "../../../../shared/generation.ts";
import {
  type ChatCompletion,
  chatCompletionChunkSchema,
  chatCompletionRequestSchema,
  chatCompletionSchema,
} from "../../../../shared/openai.ts";
import { chatCompletions } from "../../../../supervisor/http/dialects/openai/chat-completions.ts";
import { FINISH, PONG, USAGE } from "../../fake-cluster.ts";
import { dataFrames } from "../../test-app.ts";

const HEAD = { id: "chatcmpl-1", created: 5, model: "alias" };
const USER = { role: "user", content: "hi" };
const TOOL = {
  type: "function",
  function: { name: "get_weather", description: "d", parameters: { type: "object" }, strict: true },
};
const CALL: GenerationEvent = {
  type: "tool_call",
  index: 0,
  id: "call_1",
  name: "get_weather",
  arguments: '{"city":"Paris"}',
};
type Delta = ReturnType<typeof chatCompletionChunkSchema.parse>["choices"][number]["delta"];
const USAGE_ASKED = { stream_options: { include_usage: true } };
const TOKENS: GenerationEvent = {
  type: "text",
  text: "hé",
  logprobs: [
    {
      token_id: 3,
      token: "h",
      bytes: [104],
      logprob: -0.5,
      top: [{ token_id: 4, token: "x", bytes: [120], logprob: -0.25 }],
    },
    { token_id: 9, token: "é", bytes: [195, 169], logprob: -1, top: [] },
  ],
};
const EXPECTED_LOGPROBS = {
  content: [
    {
      token: "h",
      bytes: [104],
      logprob: -0.5,
      top_logprobs: [{ token: "x", bytes: [120], logprob: -0.25 }],
    },
    { token: "é", bytes: [195, 169], logprob: -1, top_logprobs: [] },
  ],
  refusal: null,
};
const EXPECTED_USAGE = {
  prompt_tokens: 3,
  completion_tokens: 2,
  total_tokens: 5,
  prompt_tokens_details: { cached_tokens: 1 },
  completion_tokens_details: { reasoning_tokens: 0 },
};

const SETTINGS = modelSettingsSchema.parse({});

function decode(extra: object, settings: ModelSettings = SETTINGS) {
  const body = chatCompletionRequestSchema.parse({ model: "m", messages: [USER], ...extra });
  const call = chatCompletions.decode(body, settings, 42);
  for (const request of call.requests) expect(generationRequestSchema.parse(request)).toEqual(request);
  const [request] = call.requests;
  if (request === undefined) throw new Error("expected a request");
  return { ...call, request };
}

function streamOf(extra: object) {
  return chatCompletions.stream(HEAD, decode(extra), []);
}

/** The whole answer to a request with these options, out of the events of each choice. */
function encode(extra: object, ...choices: (readonly GenerationEvent[])[]) {
  const pieces = chatCompletions.encode(
    HEAD,
    decode(extra),
    choices.map((events) => ({ promptText: null, events })),
  );
  return JSON.parse([...pieces].join("")) as ChatCompletion;
}

function messagesOf(extra: object) {
  const { prompt } = decode(extra).request;
  if (prompt.kind !== "messages") throw new Error("expected messages");
  return prompt;
}

describe("decoding a chat completion", () => {
  it("fills in OpenAI's defaults and the assigned seed", () => {
    const request = {
      prompt: { kind: "messages", messages: [USER], tools: [], chat_template_kwargs: {} },
      sampling: { temperature: 1, top_p: 1, seed: 42 },
      max_tokens: null,
    };
    expect(decode({})).toEqual({
      choices: 1,
      user: null,
      model: "m",
      stream: false,
      includeUsage: false,
      request,
      requests: [request],
      choicesPerPrompt: 1,
      logprobs: false,
      oneToolCall: false,
    });
  });

  it("drops unknown fields", () => {
    expect(decode({ store: true, metadata: { a: 1 }, messages: [{ ...USER, cache_control: {} }] })).toEqual(
      decode({}),
    );
  });

  it("takes max_completion_tokens before max_tokens", () => {
    expect(decode({ max_tokens: 7 }).request.max_tokens).toBe(7);
    expect(decode({ max_tokens: 7, max_completion_tokens: 9 }).request.max_tokens).toBe(9);
  });

  it("asks for n answers as n generations with neighbouring seeds", () => {
    const { requests, choicesPerPrompt } = decode({ n: 3, seed: Number.MAX_SAFE_INTEGER });
    expect(requests.map(({ sampling }) => sampling.seed)).toEqual([Number.MAX_SAFE_INTEGER, 0, 1]);
    expect(requests.map(({ prompt }) => prompt)).toEqual(Array(3).fill(decode({}).request.prompt));
    expect(choicesPerPrompt).toBe(3);
  });

  it("asks for log probabilities with as many alternatives as were named", () => {
    expect(decode({}).request).not.toHaveProperty("logprobs");
    expect(decode({ logprobs: false, top_logprobs: 0 }).request).not.toHaveProperty("logprobs");
    expect(decode({ logprobs: true }).request.logprobs).toBe(0);
    expect(decode({ logprobs: true, top_logprobs: 20 }).request.logprobs).toBe(20);
  });

  it("asks for a usage chunk only when stream_options says so", () => {
    expect(decode({ stream: true, stream_options: { include_usage: true } })).toMatchObject({
      stream: true,
      includeUsage: true,
    });
    expect(decode({ stream: true, stream_options: null })).toMatchObject({
      stream: true,
      includeUsage: false,
    });
  });

  it("joins text parts and reads developer as system", () => {
    const messages = [
      {
        role: "developer",
        content: [
          { type: "text", text: "be " },
          { type: "text", text: "brief" },
        ],
      },
      { role: "user", content: "", name: "ann" },
    ];
    expect(messagesOf({ messages }).messages).toEqual([
      { role: "system", content: "be brief" },
      { role: "user", content: "", name: "ann" },
    ]);
  });

  it("keeps tool calls, tool results and earlier reasoning", () => {
    const call = { id: "c1", type: "function", function: { name: "f", arguments: "{}" } };
    const messages = [
      { role: "assistant", content: null, tool_calls: [call], reasoning: "hm" },
      { role: "tool", content: "sunny", tool_call_id: "c1" },
    ];
    expect(messagesOf({ messages }).messages).toEqual([
      { role: "assistant", content: "", reasoning_content: "hm", tool_calls: [call] },
      { role: "tool", content: "sunny", tool_call_id: "c1" },
    ]);
  });

  it("takes null for a member that may be left out, inside messages too", () => {
    const call = { id: "c1", type: null, function: { name: "f", arguments: "{}" } };
    const messages = [
      { role: "user", content: [{ type: "text", text: "hi", refusal: null }] },
      { role: "assistant", content: [{ type: "refusal", refusal: "no", text: null }], tool_calls: [call] },
    ];
    expect(messagesOf({ messages }).messages).toEqual([
      { role: "user", content: "hi" },
      { role: "assistant", content: "no", tool_calls: [{ ...call, type: "function" }] },
    ]);
  });

  it("passes function tools on, without what templates do not know, unless tool_choice is none", () => {
    const { strict, ...known } = TOOL.function;
    expect(messagesOf({ tools: [TOOL], tool_choice: "auto" }).tools).toEqual([
      { type: "function", function: known },
    ]);
    expect(messagesOf({ tools: [TOOL], tool_choice: "none" }).tools).toEqual([]);
  });

  it("gives reasoning_effort to the template, where an explicit argument wins", () => {
    expect(messagesOf({ reasoning_effort: "low" }).chat_template_kwargs).toEqual({ reasoning_effort: "low" });
    const both = {
      reasoning_effort: "low",
      chat_template_kwargs: { reasoning_effort: "high", enable_thinking: false },
    };
    expect(messagesOf(both).chat_template_kwargs).toEqual({
      reasoning_effort: "high",
      enable_thinking: false,
    });
  });

  it("puts the request's template arguments on top of the configured ones", () => {
    const settings: ModelSettings = {
      ...SETTINGS,
      chat_template_kwargs: { enable_thinking: false, reasoning_effort: "low", style: "plain" },
    };
    const { prompt } = decode(
      { reasoning_effort: "high", chat_template_kwargs: { enable_thinking: true } },
      settings,
    ).request;
    expect(prompt).toMatchObject({
      chat_template_kwargs: { enable_thinking: true, reasoning_effort: "high", style: "plain" },
    });
  });

  it.each([
    [
      "an image part",
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
      "messages.0.content.0.type",
    ],
    ["a custom tool", { tools: [{ type: "custom" }] }, "tools.0.type"],
    [
      "a template argument of ours",
      { chat_template_kwargs: { tokenize: false } },
      "chat_template_kwargs.tokenize",
    ],
  ])("refuses %s as unsupported_parameter", (_name, extra, param) => {
    expect(() => decode(extra)).toThrow(expect.objectContaining({ code: "unsupported_parameter", param }));
  });

  it.each([
    ["a user turn without content", { messages: [{ role: "user", content: null }] }, "messages.0.content"],
    [
      "a part of no known type",
      { messages: [{ role: "user", content: [{ type: "smell" }] }] },
      "messages.0.content.0.type",
    ],
    [
      "a text part without text",
      { messages: [{ role: "user", content: [{ type: "text" }] }] },
      "messages.0.content.0.text",
    ],
    ["a function tool without function", { tools: [{ type: "function" }] }, "tools.0.function"],
    ["alternatives without log probabilities", { top_logprobs: 3 }, "top_logprobs"],
  ])("refuses %s as invalid_request_error", (_name, extra, param) => {
    expect(() => decode(extra)).toThrow(expect.objectContaining({ code: "invalid_request_error", param }));
  });
});

describe("a whole chat completion", () => {
  it("puts text, usage and every nullable key into one object", () => {
    const answer = encode({}, PONG);
    expect(chatCompletionSchema.parse(answer)).toEqual(answer);
    expect(answer).toEqual({
      id: "chatcmpl-1",
      object: "chat.completion",
      created: 5,
      model: "alias",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "pong", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: EXPECTED_USAGE,
    });
  });

  it("has null content beside tool calls alone, and reasoning under both names", () => {
    const events: GenerationEvent[] = [
      { type: "reasoning", text: "let me " },
      { type: "reasoning", text: "see" },
      CALL,
      { type: "finish", reason: "tool_calls", usage: USAGE },
    ];
    expect(encode({}, events).choices[0]).toEqual({
      index: 0,
      message: {
        role: "assistant",
        content: null,
        refusal: null,
        reasoning_content: "let me see",
        reasoning: "let me see",
        tool_calls: [
          {
            id: "call_1",
            type: "function",
            function: { name: "get_weather", arguments: '{"city":"Paris"}' },
          },
        ],
      },
      logprobs: null,
      finish_reason: "tool_calls",
    });
  });

  it("has empty, not null, content when the model said nothing", () => {
    expect(encode({}, [FINISH]).choices[0]?.message.content).toBe("");
  });

  it("has every answer under its index, and counts the prompt once", () => {
    const answer = encode({ n: 2 }, PONG, [{ type: "text", text: "peng" }, FINISH]);
    expect(answer.choices.map(({ index, message }) => [index, message.content])).toEqual([
      [0, "pong"],
      [1, "peng"],
    ]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 });
  });

  it("has log probabilities in OpenAI's shape when asked for, of no token too", () => {
    const answer = encode({ logprobs: true, top_logprobs: 1, n: 2 }, [TOKENS, FINISH], [FINISH]);
    expect(chatCompletionSchema.parse(answer)).toEqual(answer);
    expect(answer.choices.map(({ logprobs }) => logprobs)).toEqual([
      EXPECTED_LOGPROBS,
      { content: [], refusal: null },
    ]);
  });

  it("ends with its first tool call when parallel calls are not wanted", () => {
    const second: GenerationEvent = { ...CALL, index: 1, id: "call_2" };
    const cut: GenerationEvent = { type: "finish", reason: "length", usage: USAGE };
    const events: GenerationEvent[] = [CALL, { type: "text", text: "and" }, second, cut];
    const [choice] = encode({ parallel_tool_calls: false }, events).choices;
    expect(choice?.message.tool_calls?.map(({ id }) => id)).toEqual(["call_1"]);
    expect(choice).toMatchObject({ message: { content: null }, finish_reason: "tool_calls" });
    expect(encode({}, events).choices[0]).toMatchObject({
      message: { content: "and", tool_calls: [{ id: "call_1" }, { id: "call_2" }] },
      finish_reason: "length",
    });
  });

  it("never invents a finish reason", () => {
    expect(() => encode({}, PONG.slice(0, 2))).toThrow(expect.objectContaining({ code: "internal_error" }));
  });
});

describe("a streamed chat completion", () => {
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...HEAD,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
  });

  function framesOf(events: readonly GenerationEvent[], extra: object = {}) {
    const encoder = streamOf(extra);
    const said = events.map((event) => encoder.event({ index: 0, event }));
    return dataFrames(encoder.open() + said.join("") + encoder.close());
  }

  it("names the role once, finishes once and ends with [DONE]", () => {
    expect(framesOf(PONG)).toEqual([
      chunk({ role: "assistant", content: "" }),
      chunk({ content: "po" }),
      chunk({ content: "ng" }),
      chunk({}, "stop"),
      "[DONE]",
    ]);
  });

  it("sends usage in a chunk of its own, and null in every other, when asked", () => {
    expect(framesOf([FINISH], USAGE_ASKED)).toEqual([
      { ...chunk({ role: "assistant", content: "" }), usage: null },
      { ...chunk({}, "stop"), usage: null },
      { ...HEAD, object: "chat.completion.chunk", choices: [], usage: EXPECTED_USAGE },
      "[DONE]",
    ]);
  });

  it("opens a tool call with its id and empty arguments, then sends the arguments alone", () => {
    expect(framesOf([CALL]).slice(1, -1)).toEqual([
      chunk({
        tool_calls: [
          { index: 0, id: "call_1", type: "function", function: { name: "get_weather", arguments: "" } },
        ],
      }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":"Paris"}' } }] }),
    ]);
  });

  it("cuts long arguments and texts into lines that line readers take, no character in two", () => {
    const long = `"${"x".repeat(8_190)}🙂${"é".repeat(100_000)}"`;
    const frames = framesOf([{ ...CALL, arguments: long }, { type: "text", text: long }, FINISH]);
    const lines = frames.map((sent) => JSON.stringify(sent));
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThan(64 * 1024);
    expect(lines.join("")).not.toMatch(/\\ud83d/i);
    const deltas = (frames.slice(0, -1) as { choices: { delta: Delta }[] }[]).map(
      ({ choices: [choice] }) => choice?.delta,
    );
    const sentArguments = deltas.map((delta) => delta?.tool_calls?.[0]?.function?.arguments ?? "");
    expect(sentArguments.join("")).toBe(long);
    expect(deltas.map((delta) => delta?.content ?? "").join("")).toBe(long);
  });

  it("streams reasoning under both names and nothing for an empty text", () => {
    expect(
      framesOf([
        { type: "reasoning", text: "hm" },
        { type: "text", text: "" },
      ]).slice(1, -1),
    ).toEqual([chunk({ reasoning_content: "hm", reasoning: "hm" })]);
  });

  it("has one role, one end and its own text per answer, and one usage for all", () => {
    const encoder = streamOf({ n: 2, ...USAGE_ASKED });
    const said = [
      encoder.open(),
      encoder.event({ index: 1, event: { type: "text", text: "b" } }),
      encoder.event({ index: 0, event: { type: "text", text: "a" } }),
      encoder.event({ index: 1, event: FINISH }),
      encoder.event({ index: 0, event: FINISH }),
      encoder.close(),
    ];
    const frames = dataFrames(said.join("")) as { choices: object[]; usage: object | null }[];
    expect(frames.slice(0, -2).map(({ choices }) => choices)).toMatchObject([
      [{ index: 0, delta: { role: "assistant" } }],
      [{ index: 1, delta: { role: "assistant" } }],
      [{ index: 1, delta: { content: "b" } }],
      [{ index: 0, delta: { content: "a" } }],
      [{ index: 1, finish_reason: "stop" }],
      [{ index: 0, finish_reason: "stop" }],
    ]);
    expect(frames.at(-2)?.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 4 });
  });

  it("sends log probabilities with the text they belong to, also before it can be shown", () => {
    const held: GenerationEvent = { ...TOKENS, text: "" };
    expect(framesOf([held], { logprobs: true })[1]).toEqual({
      ...chunk({ content: "" }),
      choices: [{ index: 0, delta: { content: "" }, logprobs: EXPECTED_LOGPROBS, finish_reason: null }],
    });
  });

  it("ends with its first tool call when parallel calls are not wanted", () => {
    const second: GenerationEvent = { ...CALL, index: 1, id: "call_2" };
    const finish: GenerationEvent = { type: "finish", reason: "tool_calls", usage: USAGE };
    const frames = framesOf([CALL, second, finish], { parallel_tool_calls: false });
    expect(frames).toEqual(framesOf([CALL, finish]));
  });

  it("keeps every chunk within the published schema", () => {
    const frames = framesOf([{ type: "reasoning", text: "hm" }, CALL, TOKENS, ...PONG], {
      ...USAGE_ASKED,
      logprobs: true,
    });
    for (const frame of frames.slice(0, -1)) expect(chatCompletionChunkSchema.parse(frame)).toEqual(frame);
  });

  it("says a failure as an error object of its own, then [DONE]", () => {
    const error = new LmxError("worker_crashed", "The worker died.", { param: "model" });
    expect(dataFrames(streamOf({}).fail(error))).toEqual([
      { error: { message: "The worker died.", type: "server_error", param: null, code: "worker_crashed" } },
      "[DONE]",
    ]);
  });

  it("keeps alive with a comment, which readers of events skip", () => {
    expect(streamOf({}).keepAlive()).toMatch(/^:[^\n]*\n\n$/);
  });
});
