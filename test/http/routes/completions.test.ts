import { describe, expect, it } from "vitest";
import { LmxError } from "../../../shared/errors.ts";
import { completionSchema } from "../../../shared/openai-completions.ts";
import { FakeCluster, FakeGeneration, PONG, PROMPT_TEXT } from "../fake-cluster.ts";
import { dataFrames, errorOf, post, testApp } from "../test-app.ts";

const BODY = { model: "demo", prompt: "ping" };

describe("POST /v1/completions", () => {
  it.each(["/v1/completions", "/completions"])("answers whole at %s", async (path) => {
    const { app } = testApp();
    const response = await post(app, path, BODY);
    expect(response.status).toBe(200);
    const answer = completionSchema.parse(await response.json());
    expect(answer.id).toMatch(/^cmpl-/);
    expect(answer.choices[0]).toMatchObject({ text: "pong", finish_reason: "stop" });
  });

  it("streams, with usage when asked", async () => {
    const { app } = testApp();
    const body = { ...BODY, stream: true, stream_options: { include_usage: true, later: 1 } };
    const frames = dataFrames(await (await post(app, "/v1/completions", body)).text());
    expect(frames).toHaveLength(5);
    expect(frames.at(-2)).toMatchObject({ choices: [], usage: { total_tokens: 5 } });
  });

  it("echoes token ids as the worker reads them", async () => {
    const { app } = testApp();
    const response = await post(app, "/v1/completions", { ...BODY, prompt: [1, 2], echo: true });
    expect(completionSchema.parse(await response.json()).choices[0]?.text).toBe(`${PROMPT_TEXT}pong`);
  });

  it("answers every prompt of a list", async () => {
    const { app, cluster } = testApp();
    const response = await post(app, "/v1/completions", { ...BODY, prompt: ["a", "b"], n: 2 });
    expect(completionSchema.parse(await response.json()).choices).toHaveLength(4);
    expect(cluster.generateCalls).toHaveLength(4);
  });

  it("is 400 for a body without a prompt", async () => {
    const response = await post(testApp().app, "/v1/completions", { model: "demo" });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ param: "prompt" });
  });
});

describe("a request for several answers", () => {
  it("is refused whole when one cannot be given, and the others are cancelled", async () => {
    const cluster = new FakeCluster();
    const running = new FakeGeneration();
    cluster.onGenerate = () =>
      cluster.generateCalls.length < 2
        ? running
        : Promise.reject(new LmxError("context_length_exceeded", "Too long."));
    const { app } = testApp({ cluster });
    const response = await post(app, "/v1/completions", { ...BODY, n: 2, stream: true });
    expect(response.status).toBe(400);
    expect((await errorOf(response)).code).toBe("context_length_exceeded");
    expect(cluster.generateCalls[0]?.signal.aborted).toBe(true);
  });

  it("fails whole when one of them fails on the way", async () => {
    const cluster = new FakeCluster();
    const dying = new FakeGeneration(PONG.slice(0, 1));
    cluster.onGenerate = () => (cluster.generateCalls.length === 1 ? dying : new FakeGeneration());
    const { app, metrics } = testApp({ cluster });
    const response = await post(app, "/v1/completions", { ...BODY, n: 2, stream: true });
    dying.push(new LmxError("worker_crashed", "died"));
    const frames = dataFrames(await response.text());
    expect(frames.slice(-2)).toMatchObject([{ error: { code: "worker_crashed" } }, "[DONE]"]);
    expect(cluster.generateCalls[1]?.signal.aborted).toBe(true);
    expect(await metrics.render([])).toContain('opta_lmx_errors_total{code="worker_crashed"} 1');
  });
});

describe("what is configured for a model", () => {
  it("goes below the request's own options", async () => {
    const cluster = new FakeCluster();
    cluster.modelSettings = { ...cluster.modelSettings, sampling: { temperature: 0.5, top_k: 7 } };
    await post(testApp({ cluster }).app, "/v1/completions", { ...BODY, top_k: 3, seed: 1 });
    expect(cluster.generateCalls[0]?.request.sampling).toEqual({
      temperature: 0.5,
      top_p: 1,
      top_k: 3,
      seed: 1,
    });
  });
});

it("gives the request's id to the cluster, whose log lines carry it", async () => {
  const { app, cluster } = testApp();
  await post(app, "/v1/completions", BODY, { "x-request-id": "mine-1" });
  expect(cluster.generateCalls[0]?.requestId).toBe("mine-1");
});
