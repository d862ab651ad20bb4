import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { LmxError } from "../../shared/errors.ts";
import type { GenerationEvent } from "../../shared/generation.ts";
import { FakeCluster, FakeGeneration, USAGE } from "./fake-cluster.ts";
import { serve } from "./served-app.ts";
import { CHAT } from "./test-app.ts";

const REQUEST = { ...CHAT, messages: [{ role: "user" as const, content: "ping" }] };

async function sdk(cluster = new FakeCluster(), maxRetries = 2) {
  const { listener } = await serve({ cluster, config: { api_keys: ["sdk-key-123"] } });
  return {
    cluster,
    client: new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: "sdk-key-123", maxRetries }),
  };
}

describe("the official OpenAI SDK", () => {
  it("gets a whole answer", async () => {
    const { client } = await sdk();
    const answer = await client.chat.completions.create(REQUEST);
    expect(answer.choices[0]?.message).toMatchObject({ role: "assistant", content: "pong", refusal: null });
    expect(answer.usage?.total_tokens).toBe(5);
  });

  it("gets a stream with usage at the end", async () => {
    const { client } = await sdk();
    const stream = await client.chat.completions.create({
      ...REQUEST,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    const finishes: string[] = [];
    let usage: number | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      if (chunk.choices[0]?.finish_reason) finishes.push(chunk.choices[0].finish_reason);
      usage = chunk.usage?.total_tokens ?? usage;
    }
    expect({ text, finishes, usage }).toEqual({ text: "pong", finishes: ["stop"], usage: 5 });
  });

  it("puts streamed tool calls together as in a whole answer", async () => {
    const events: GenerationEvent[] = [
      { type: "text", text: "Let me see." },
      { type: "tool_call", index: 0, id: "call_1", name: "get_weather", arguments: '{"city":"Paris"}' },
      { type: "tool_call", index: 1, id: "call_2", name: "get_weather", arguments: '{"city":"Rome"}' },
      { type: "finish", reason: "tool_calls", usage: USAGE },
    ];
    const cluster = new FakeCluster();
    cluster.onGenerate = () => new FakeGeneration(events);
    const { client } = await sdk(cluster);
    const tools = [
      { type: "function" as const, function: { name: "get_weather", parameters: { type: "object" } } },
    ];
    const whole = await client.chat.completions.create({ ...REQUEST, tools });
    const streamed = await client.chat.completions.stream({ ...REQUEST, tools }).finalChatCompletion();
    expect(whole.choices[0]?.message.tool_calls).toHaveLength(2);
    expect(streamed.choices[0]?.message.content).toBe("Let me see.");
    const plain = (calls: unknown) =>
      (calls as { id: string; function: { name: string; arguments: string } }[]).map(
        ({ id, function: { name, arguments: text } }) => ({ id, name, text }),
      );
    expect(plain(streamed.choices[0]?.message.tool_calls)).toEqual(
      plain(whole.choices[0]?.message.tool_calls),
    );
  });

  it("lists and retrieves models", async () => {
    const { client } = await sdk();
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(["demo"]);
    expect((await client.models.retrieve("demo")).object).toBe("model");
  });

  it("sends a request once when told not to retry, though the status alone would be retried", async () => {
    const cluster = new FakeCluster();
    cluster.onGenerate = () => Promise.reject(new LmxError("model_unstable", "Quarantined."));
    const { client } = await sdk(cluster);
    await expect(client.chat.completions.create(REQUEST)).rejects.toMatchObject({
      status: 409,
      code: "model_unstable",
    });
    expect(cluster.generateCalls).toHaveLength(1);
  });

  it("retries what is worth it and then succeeds", async () => {
    const cluster = new FakeCluster();
    const answer = cluster.onGenerate;
    cluster.onGenerate = (call) =>
      cluster.generateCalls.length === 1
        ? Promise.reject(new LmxError("worker_crashed", "died"))
        : answer(call);
    const { client } = await sdk(cluster);
    expect((await client.chat.completions.create(REQUEST)).choices[0]?.message.content).toBe("pong");
    expect(cluster.generateCalls).toHaveLength(2);
  });

  it("throws on a failure in the middle of a stream instead of taking it for the end", async () => {
    const cluster = new FakeCluster();
    cluster.onGenerate = () => {
      const generation = new FakeGeneration([{ type: "text", text: "po" }]);
      generation.push(new LmxError("worker_crashed", "The worker died."));
      return generation;
    };
    const { client } = await sdk(cluster);
    const stream = await client.chat.completions.create({ ...REQUEST, stream: true });
    const read = async () => {
      for await (const _chunk of stream);
    };
    await expect(read()).rejects.toMatchObject({ code: "worker_crashed" });
  });

  it("cancels the generation when its stream is aborted", async () => {
    const cluster = new FakeCluster();
    const generation = new FakeGeneration();
    cluster.onGenerate = () => generation;
    const { client } = await sdk(cluster);
    const stream = await client.chat.completions.create({ ...REQUEST, stream: true });
    stream.controller.abort();
    await generation.released;
    expect(cluster.generateCalls[0]?.signal.aborted).toBe(true);
  });
});
