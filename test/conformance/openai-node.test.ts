import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { tinyModels } from "../support/tiny-models.ts";
import { drainingSupervisor } from "./draining-supervisor.ts";
import { WEATHER_QUESTION, WEATHER_RESULT, WEATHER_TOOL } from "./weather.ts";

const UNLOADED = "tiny/unloaded";
const PING: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "ping" }];
const DEMO = { model: "lmx-demo", temperature: 0 };

/** A client that counts what it sends. Told to wait, it waits only a millisecond. */
function countingClient(url: string) {
  const wire = { requests: 0 };
  const client = new OpenAI({
    baseURL: `${url}/v1`,
    apiKey: "none",
    maxRetries: 2,
    fetch: async (input, init) => {
      wire.requests += 1;
      const response = await fetch(input, init);
      const headers = new Headers(response.headers);
      headers.set("retry-after-ms", "1");
      return new Response(response.body, { status: response.status, headers });
    },
  });
  return { client, wire };
}

let lmx: RunningSupervisor;
let client: OpenAI;

beforeAll(async () => {
  lmx = await RunningSupervisor.start({ models: { [UNLOADED]: tinyModels().endless } });
  client = countingClient(lmx.url).client;
});
afterAll(async () => {
  await lmx.dispose();
});

describe("the official OpenAI library for JavaScript", () => {
  it("chats, whole and streamed, with usage", async () => {
    const whole = await client.chat.completions.create({ ...DEMO, messages: PING });
    expect(whole.choices[0]).toMatchObject({
      message: { content: "pong", refusal: null },
      finish_reason: "stop",
    });
    const stream = await client.chat.completions.create({
      ...DEMO,
      messages: PING,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    expect([text, usage]).toEqual(["pong", whole.usage]);
  });

  it("calls a tool and goes on with its result, streamed as whole", async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: WEATHER_QUESTION }];
    const request = { ...DEMO, messages, tools: [WEATHER_TOOL] };
    const whole = await client.chat.completions.create(request);
    const streamed = await client.chat.completions.stream(request).finalChatCompletion();
    const [call] = whole.choices[0]?.message.tool_calls ?? [];
    if (call?.type !== "function") throw new Error("expected a function call");
    expect(whole.choices[0]?.finish_reason).toBe("tool_calls");
    expect(call.function.name).toBe("get_weather");
    expect(streamed.choices[0]?.message.tool_calls?.[0]).toMatchObject({
      function: { name: call.function.name, arguments: call.function.arguments },
    });
    expect(JSON.parse(call.function.arguments)).toEqual({ city: expect.any(String) });
    messages.push(whole.choices[0]?.message ?? { role: "assistant" });
    messages.push({ role: "tool", tool_call_id: call.id, content: WEATHER_RESULT });
    const second = await client.chat.completions.create(request);
    expect(second.choices[0]?.message.content).toContain("sunny");
  });

  it("gets several answers, each under its index and with a seed of its own", async () => {
    const request = { model: "lmx-demo", messages: PING, temperature: 1.9, seed: 5, max_tokens: 12 };
    const [both, one, two] = await Promise.all([
      client.chat.completions.create({ ...request, n: 2 }),
      client.chat.completions.create(request),
      client.chat.completions.create({ ...request, seed: 6 }),
    ]);
    expect(both.choices.map(({ message }) => message.content)).toEqual(
      [one, two].map(({ choices }) => choices[0]?.message.content),
    );
    const streamed = await client.chat.completions.stream({ ...request, n: 2 }).finalChatCompletion();
    expect(streamed.choices.map(({ message }) => message.content)).toEqual(
      both.choices.map(({ message }) => message.content),
    );
  });

  it("gets log probabilities of every token, streamed as whole", async () => {
    const request = { ...DEMO, messages: PING, logprobs: true, top_logprobs: 2 };
    const { choices } = await client.chat.completions.create(request);
    const tokens = choices[0]?.logprobs?.content ?? [];
    expect(tokens.map(({ token }) => token).join("")).toBe("pong");
    for (const { token, logprob, bytes, top_logprobs } of tokens) {
      expect(top_logprobs).toHaveLength(2);
      expect(top_logprobs[0]).toMatchObject({ token, logprob, bytes });
      expect(logprob).toBeLessThanOrEqual(0);
    }
    const streamed = await client.chat.completions.stream(request).finalChatCompletion();
    expect(streamed.choices[0]?.logprobs?.content).toEqual(tokens);
  });

  it("completes texts, token ids and lists, with echo and log probabilities", async () => {
    const request = { ...DEMO, max_tokens: 4 };
    const whole = await client.completions.create({
      ...request,
      prompt: ["one two", "ping"],
      n: 2,
      echo: true,
    });
    expect(whole.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(whole.choices.map(({ text }) => text.slice(0, 4))).toEqual(["one ", "one ", "ping", "ping"]);
    const scored = await client.completions.create({ ...request, prompt: "one two", logprobs: 1 });
    const { text, logprobs } = scored.choices[0] ?? {};
    expect(logprobs?.tokens?.join("")).toBe(text);
    expect(logprobs?.text_offset?.[0]).toBe(0);
    const ids = await client.completions.create({ ...request, prompt: [5, 6, 7], echo: true });
    expect(ids.usage?.prompt_tokens).toBe(3);
    const stream = await client.completions.create({ ...request, prompt: "one two", stream: true });
    let streamed = "";
    for await (const chunk of stream) streamed += chunk.choices[0]?.text ?? "";
    expect(streamed).toBe(text);
  });

  it("stops at a text that is no part of the answer", async () => {
    const request = { ...DEMO, messages: [{ role: "user" as const, content: "Count to ten" }] };
    const all = (await client.chat.completions.create(request)).choices[0]?.message.content ?? "";
    expect(all).toContain("three");
    const stopped = await client.chat.completions.create({ ...request, stop: ["three"] });
    expect(stopped.choices[0]).toMatchObject({
      message: { content: all.slice(0, all.indexOf("three")) },
      finish_reason: "stop",
    });
  });

  it("lists and describes models", async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(expect.arrayContaining(["lmx-demo", UNLOADED]));
    expect(await client.models.retrieve(UNLOADED)).toMatchObject({ id: UNLOADED, object: "model" });
  });
});

describe("its errors and retries", () => {
  it.each([
    ["a model that nobody loads", { model: UNLOADED }, OpenAI.ConflictError, "model_not_ready"],
    ["an unknown model", { model: "nobody" }, OpenAI.NotFoundError, "model_not_found"],
    [
      "an option that is not supported",
      { tool_choice: "required" as const },
      OpenAI.BadRequestError,
      "unsupported_parameter",
    ],
    ["a value out of range", { temperature: 9 }, OpenAI.BadRequestError, "invalid_request_error"],
  ])("sends a request for %s exactly once", async (_name, extra, type, code) => {
    const { client: counting, wire } = countingClient(lmx.url);
    const answer = counting.chat.completions.create({ ...DEMO, messages: PING, ...extra });
    const error = await answer.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ code, requestID: expect.stringMatching(/^req_/) });
    expect(wire.requests).toBe(1);
  });

  it("sends a request again, as often as it may, to a server that is stopping", async () => {
    const draining = await drainingSupervisor();
    try {
      const { client: counting, wire } = countingClient(draining.url);
      await expect(counting.chat.completions.create({ ...DEMO, messages: PING })).rejects.toMatchObject({
        status: 503,
        code: "server_is_overloaded",
      });
      expect(wire.requests).toBe(3);
    } finally {
      await draining.dispose();
    }
  });
});
