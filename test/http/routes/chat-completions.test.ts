import { describe, expect, it } from "vitest";
import { LmxError } from "../../../shared/errors.ts";
import { chatCompletionSchema } from "../../../shared/openai.ts";
import { FakeCluster, FakeGeneration, fakeModel, PONG } from "../fake-cluster.ts";
import { CHAT, chat, dataFrames, errorOf, JSON_TYPE, post, testApp } from "../test-app.ts";

describe("POST /v1/chat/completions", () => {
  it("answers whole, naming the model as it was asked for", async () => {
    const { app, cluster } = testApp();
    const response = await chat(app, { max_tokens: 5, seed: 9 });
    expect(response.status).toBe(200);
    const answer = chatCompletionSchema.parse(await response.json());
    expect(answer.id).toMatch(/^chatcmpl-/);
    expect(answer.model).toBe("demo");
    expect(Math.abs(answer.created - Date.now() / 1000)).toBeLessThan(60);
    expect(answer.choices[0]?.message.content).toBe("pong");
    expect(cluster.generateCalls).toMatchObject([
      { id: "demo", request: { max_tokens: 5, sampling: { seed: 9 } } },
    ]);
  });

  it("gives each request without a seed one of its own", async () => {
    const { app, cluster } = testApp();
    await chat(app);
    await chat(app);
    const seeds = cluster.generateCalls.map(({ request }) => request.sampling.seed);
    expect(new Set(seeds).size).toBe(2);
  });

  it("is also there without /v1", async () => {
    const { app } = testApp();
    expect((await post(app, "/chat/completions", CHAT)).status).toBe(200);
  });

  it("passes the cluster's refusal on, with its retry advice", async () => {
    const cluster = new FakeCluster();
    cluster.onGenerate = () =>
      Promise.reject(new LmxError("model_not_ready", "It is loading.", { retryAfterSeconds: 4 }));
    const response = await chat(testApp({ cluster }).app);
    expect(response.status).toBe(409);
    expect(response.headers.get("x-should-retry")).toBe("true");
    expect(response.headers.get("retry-after")).toBe("4");
  });

  it("answers a failure of a whole answer with its status", async () => {
    const cluster = new FakeCluster();
    const generation = new FakeGeneration([{ type: "text", text: "po" }]);
    generation.push(new LmxError("worker_crashed", "The worker died."));
    cluster.onGenerate = () => generation;
    const response = await chat(testApp({ cluster }).app);
    expect(response.status).toBe(503);
    expect((await errorOf(response)).code).toBe("worker_crashed");
  });

  it("answers 499 to nobody when the client left, and logs no bug", async () => {
    const cluster = new FakeCluster();
    const left = new AbortController();
    cluster.onGenerate = ({ signal }) => {
      left.abort("gone");
      return Promise.reject(signal.reason);
    };
    const { app, logLines } = testApp({ cluster });
    const request = { method: "POST", headers: JSON_TYPE, body: JSON.stringify(CHAT), signal: left.signal };
    expect((await app.request("/v1/chat/completions", request)).status).toBe(499);
    expect(logLines.filter(({ level }) => level >= 40)).toEqual([]);
  });
});

describe("POST /v1/chat/completions with stream", () => {
  it("is an event stream that proxies must not hold back", async () => {
    const { app } = testApp();
    const response = await chat(app, { stream: true, stream_options: { include_usage: true } });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("cache-control")).toContain("no-cache");
    const frames = dataFrames(await response.text());
    expect(frames).toHaveLength(6);
    expect(frames.at(-1)).toBe("[DONE]");
  });

  it("refuses with a status before the first byte, never with a stream", async () => {
    const { app } = testApp();
    const response = await chat(app, { stream: true, model: "nobody" });
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({ code: "model_not_found", param: "model" });
  });

  it("tells a failure after 200 in the stream, and a bug without its details", async () => {
    const cluster = new FakeCluster();
    const generation = new FakeGeneration(PONG.slice(0, 1));
    generation.push(new Error("secret"));
    cluster.onGenerate = () => generation;
    const { app, logLines } = testApp({ cluster });
    const text = await (await chat(app, { stream: true })).text();
    expect(dataFrames(text).slice(-2)).toEqual([
      { error: { message: expect.any(String), type: "server_error", param: null, code: "internal_error" } },
      "[DONE]",
    ]);
    expect(text).not.toContain("secret");
    expect(JSON.stringify(logLines)).toContain("secret");
  });

  it("aborts the generation when the body is no longer read", async () => {
    const cluster = new FakeCluster();
    const generation = new FakeGeneration();
    cluster.onGenerate = () => generation;
    const response = await chat(testApp({ cluster }).app, { stream: true });
    const reader = response.body!.getReader();
    await reader.read();
    expect(cluster.generateCalls[0]?.signal.aborted).toBe(false);
    await reader.cancel();
    expect(cluster.generateCalls[0]?.signal.aborted).toBe(true);
    await generation.released;
  });
});

describe("while draining", () => {
  it("refuses new requests for a retry elsewhere and finishes running streams", async () => {
    const cluster = new FakeCluster(fakeModel("demo"));
    const generation = new FakeGeneration();
    cluster.onGenerate = () => generation;
    const { app, service } = testApp({ cluster });
    const running = await chat(app, { stream: true });
    service.isDraining = true;
    const refused = await chat(app);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("x-should-retry")).toBe("true");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect((await errorOf(refused)).code).toBe("server_is_overloaded");
    expect((await app.request("/v1/models")).status).toBe(200);
    generation.push(...PONG);
    expect(dataFrames(await running.text()).at(-1)).toBe("[DONE]");
  });
});
