import { describe, expect, it } from "vitest";
import type { GenerationEvent } from "../../../shared/generation.ts";
import { RequestMemory } from "../../../supervisor/http/body/request-memory.ts";
import { FakeCluster, FakeGeneration, PONG } from "../fake-cluster.ts";
import { CHAT, chat, errorOf, JSON_TYPE, post, testApp } from "../test-app.ts";

/** Room for two short requests and a little text of one client, and as much for others. */
const MAX_BYTES = 2 * (2 * 32 * 1024 + 4_096);
const LONG = { messages: [{ role: "user", content: "x".repeat(8_000) }] };

function parts() {
  const cluster = new FakeCluster();
  const generations: FakeGeneration[] = [];
  cluster.onGenerate = () => {
    const generation = new FakeGeneration();
    generations.push(generation);
    return generation;
  };
  const requestMemory = new RequestMemory(MAX_BYTES);
  return { generations, requestMemory, ...testApp({ cluster, requestMemory }) };
}

describe("the memory for requests", () => {
  it("is given back when an answer, a stream, an error or a client's leaving ends the request", async () => {
    const { app, generations, requestMemory } = parts();
    const whole = chat(app);
    await expect.poll(() => generations.length).toBe(1);
    expect(requestMemory.heldBytes).toBeGreaterThan(32 * 1024);
    generations[0]?.push(...PONG);
    expect((await whole).status).toBe(200);
    expect(requestMemory.heldBytes).toBe(0);

    const stream = await chat(app, { stream: true });
    expect(requestMemory.heldBytes).toBeGreaterThan(0);
    generations[1]?.push(...PONG);
    await stream.text();
    expect(requestMemory.heldBytes).toBe(0);

    const left = await chat(app, { stream: true });
    await left.body?.cancel();
    await expect.poll(() => requestMemory.heldBytes).toBe(0);

    for (const bad of ["{", {}, { ...CHAT, temperature: "hot" }])
      expect((await post(app, "/v1/chat/completions", bad)).status).toBe(400);
    expect(requestMemory.heldBytes).toBe(0);
  });

  it("when it is full refuses with 429 and a time, and answers operators and probes as ever", async () => {
    const { app, generations, requestMemory } = parts();
    const running = [chat(app), chat(app)];
    await expect.poll(() => generations.length).toBe(2);
    const refused = await chat(app);
    expect(refused.status).toBe(429);
    expect([refused.headers.get("x-should-retry"), refused.headers.get("retry-after")]).toEqual([
      "true",
      "2",
    ]);
    expect(await errorOf(refused)).toMatchObject({
      code: "rate_limit_exceeded",
      message: expect.stringContaining("memory"),
    });
    expect((await app.request("/livez")).status).toBe(200);
    expect((await post(app, "/admin/models/restart", { model_id: "demo" })).status).toBe(200);
    for (const generation of generations) generation.push(...PONG);
    for (const answer of running) expect((await answer).status).toBe(200);
    expect(requestMemory.heldBytes).toBe(0);
  });

  it("counts an answer that is kept until its end, and lets its generation go when it does not fit", async () => {
    const { app, generations, requestMemory } = parts();
    const answer = chat(app, { logprobs: true });
    await expect.poll(() => generations.length).toBe(1);
    const candidate = { token_id: 1, token: "a", bytes: [97], logprob: -1 };
    const piece: GenerationEvent = { type: "text", text: "a", logprobs: [{ ...candidate, top: [] }] };
    generations[0]?.push(...Array.from({ length: 500 }, () => piece));
    expect(await errorOf(await answer)).toMatchObject({ code: "rate_limit_exceeded" });
    await generations[0]?.released;
    expect(requestMemory.heldBytes).toBe(0);
  });

  it("counts a prompt once for each of its choices, because the worker is sent it so often", async () => {
    const { app, generations, requestMemory } = parts();
    const prompt = { messages: [{ role: "user", content: "x".repeat(6_000) }] };
    const one = chat(app, prompt);
    await expect.poll(() => generations.length).toBe(1);
    generations[0]?.push(...PONG);
    expect((await one).status).toBe(200);
    expect((await chat(app, { ...prompt, n: 8 })).status).toBe(429);
    expect(requestMemory.heldBytes).toBe(0);
  });

  it("refuses a body the moment it does not fit, without reading the rest", async () => {
    const { app, generations, requestMemory } = parts();
    const running = chat(app);
    await expect.poll(() => generations.length).toBe(1);
    expect((await chat(app, LONG)).status).toBe(429);
    let taken = 0;
    const body = new ReadableStream({
      pull(controller) {
        taken += 1_024;
        controller.enqueue(new Uint8Array(1_024).fill(0x20));
      },
    });
    const endless = { method: "POST", headers: JSON_TYPE, body, duplex: "half" } as RequestInit;
    expect((await app.request("/v1/completions", endless)).status).toBe(429);
    expect(taken).toBeLessThan(64 * 1024);
    generations[0]?.push(...PONG);
    await running;
    expect(requestMemory.heldBytes).toBe(0);
  });
});
