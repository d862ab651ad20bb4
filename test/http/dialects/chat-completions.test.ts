import { describe, expect, it } from "vitest";
import { LmxError } from "../../../shared/errors.ts";
import { type GenerationEvent, generationRequestSchema } from "../../../shared/generation.ts";
import {
  chatCompletionChunkSchema,
  chatCompletionRequestSchema,
  chatCompletionSchema,
} from "../../../shared/openai.ts";
import {
  chatCompletionStream,
  decodeChatCompletion,
  encodeChatCompletion,
} from "../../../supervisor/http/dialects/chat-completions.ts";
import { FINISH, PONG, USAGE } from "../fake-cluster.ts";
import { dataFrames } from "../test-app.ts";

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
const EXPECTED_USAGE = {
  prompt_tokens: 3,
  completion_tokens: 2,
  total_tokens: 5,
  prompt_tokens_details: { cached_tokens: 1 },
  completion_tokens_details: { reasoning_tokens: 0 },
};

function decode(extra: object, assignedSeed = 42) {
  const body = chatCompletionRequestSchema.parse({ model: "m", messages: [USER], ...extra });
  const call = decodeChatCompletion(body, assignedSeed);
  generationRequestSchema.parse(call.request);
  return call;
}

function messagesOf(extra: object) {
  const { prompt } = decode(extra).request;
  if (prompt.kind !== "messages") throw new Error("expected messages");
  return prompt;
}

describe("decodeChatCompletion", () => {
  it("fills in OpenAI's defaults and the assigned seed", () => {
    expect(decode({})).toEqual({
      model: "m",
      stream: false,
      includeUsage: false,
      request: {
        prompt: { kind: "messages", messages: [USER], tools: [], chat_template_kwargs: {} },
        sampling: { temperature: 1, top_p: 1, seed: 42 },
        max_tokens: null,
      },
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

  it.each([
    [0, 0],
    [7, 7],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [-1, Number.MAX_SAFE_INTEGER],
    [-(2 ** 63), 0],
    [2 ** 62 + 2 ** 20, 2 ** 20],
  ])("maps the 64-bit seed %d to %d", (seed, mapped) => {
    expect(decode({ seed }).request.sampling.seed).toBe(mapped);
  });

  it("reads top_p 0 as greedy, which is what it means", () => {
    expect(decode({ top_p: 0, temperature: 1.5 }).request.sampling).toMatchObject({
      temperature: 0,
      top_p: 1,
    });
    expect(decode({ top_p: 0.5 }).request.sampling).toMatchObject({ temperature: 1, top_p: 0.5 });
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
  ])("refuses %s as invalid_request_error", (_name, extra, param) => {
    expect(() => decode(extra)).toThrow(expect.objectContaining({ code: "invalid_request_error", param }));
  });
});

describe("encodeChatCompletion", () => {
  it("puts text, usage and every nullable key into one object", () => {
    const answer = encodeChatCompletion(HEAD, PONG);
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
    expect(encodeChatCompletion(HEAD, events).choices[0]).toEqual({
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
    expect(encodeChatCompletion(HEAD, [FINISH]).choices[0]?.message.content).toBe("");
  });

  it("never invents a finish reason", () => {
    expect(() => encodeChatCompletion(HEAD, PONG.slice(0, 2))).toThrow(
      expect.objectContaining({ code: "internal_error" }),
    );
  });
});

describe("chatCompletionStream", () => {
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...HEAD,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
  });

  function framesOf(events: readonly GenerationEvent[], includeUsage = false) {
    const encoder = chatCompletionStream(HEAD, includeUsage);
    return dataFrames(encoder.open() + events.map((event) => encoder.event(event)).join(""));
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
    expect(framesOf([FINISH], true)).toEqual([
      { ...chunk({ role: "assistant", content: "" }), usage: null },
      { ...chunk({}, "stop"), usage: null },
      { ...HEAD, object: "chat.completion.chunk", choices: [], usage: EXPECTED_USAGE },
      "[DONE]",
    ]);
  });

  it("opens a tool call with its id and empty arguments, then sends the arguments alone", () => {
    expect(framesOf([CALL]).slice(1)).toEqual([
      chunk({
        tool_calls: [
          { index: 0, id: "call_1", type: "function", function: { name: "get_weather", arguments: "" } },
        ],
      }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":"Paris"}' } }] }),
    ]);
  });

  it("streams reasoning under both names and nothing for an empty text", () => {
    expect(
      framesOf([
        { type: "reasoning", text: "hm" },
        { type: "text", text: "" },
      ]).slice(1),
    ).toEqual([chunk({ reasoning_content: "hm", reasoning: "hm" })]);
  });

  it("keeps every chunk within the published schema", () => {
    const frames = framesOf([{ type: "reasoning", text: "hm" }, CALL, ...PONG], true);
    for (const frame of frames.slice(0, -1)) expect(chatCompletionChunkSchema.parse(frame)).toEqual(frame);
  });

  it("says a failure as an error object of its own, then [DONE]", () => {
    const error = new LmxError("worker_crashed", "The worker died.", { param: "model" });
    expect(dataFrames(chatCompletionStream(HEAD, true).fail(error))).toEqual([
      { error: { message: "The worker died.", type: "server_error", param: null, code: "worker_crashed" } },
      "[DONE]",
    ]);
  });

  it("keeps alive with a comment, which readers of events skip", () => {
    expect(chatCompletionStream(HEAD, false).keepAlive()).toMatch(/^:[^\n]*\n\n$/);
  });
});
