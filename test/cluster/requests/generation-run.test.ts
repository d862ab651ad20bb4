import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { GenerationEvent } from "../../../shared/generation.ts";
import { GenerationRun } from "../../../supervisor/cluster/requests/generation-run.ts";
import { NO_OBSERVER } from "../../../supervisor/telemetry/observer.ts";
import { encodePrompt } from "../../../supervisor/workers/encoded-request.ts";
import { hostWithFakes } from "../../support/fake-cluster-parts.ts";
import { FINISH, REQUEST, settled } from "../../support/fake-worker.ts";

const text = (value: string) => ({ type: "text", text: value }) as const;

async function ready(options: Parameters<typeof hostWithFakes>[0] = {}, request = REQUEST, owner?: string) {
  const parts = hostWithFakes(options);
  await parts.host.load(new AbortController().signal);
  const abort = new AbortController();
  const run = new GenerationRun({
    host: parts.host,
    request,
    origin: { owner },
    signal: abort.signal,
    holdMs: 30_000,
    now: () => performance.now(),
    observer: options.observer ?? NO_OBSERVER,
    log: pino({ level: "silent" }),
  });
  return { ...parts, abort, run };
}

/** Events until the end; an error comes last, as its code. */
async function collect(events: AsyncIterable<GenerationEvent>): Promise<unknown[]> {
  const seen: unknown[] = [];
  try {
    for await (const event of events) seen.push(event.type === "text" ? event.text : event.type);
  } catch (error) {
    seen.push((error as { code: string }).code);
  }
  return seen;
}

describe("a request's life", () => {
  it("gives the worker's events in order and ends after finish", async () => {
    const { run, workers } = await ready();
    const { events, promptTokens } = await run.start();
    workers[0]?.row([text("a")]);
    workers[0]?.row([text("b"), FINISH]);
    expect([promptTokens, await collect(events)]).toEqual([3, ["a", "b", "finish"]]);
  });

  it("is the same owner's each time it is sent", async () => {
    const { run, workers } = await ready({}, REQUEST, "key:1");
    await run.start();
    workers[0]?.die({ signal: "SIGSEGV" });
    await settled();
    const sent = workers.slice(0, 2).map(({ asked }) => asked.find(({ method }) => method === "generate"));
    expect(sent.map((call) => call?.params)).toEqual([
      expect.objectContaining({ owner: "key:1" }),
      expect.objectContaining({ owner: "key:1" }),
    ]);
  });

  it("is sent again, under another id, when the worker dies before anything was sent", async () => {
    const { run, workers } = await ready();
    const { events } = await run.start();
    workers[0]?.die({ signal: "SIGSEGV" });
    await settled();
    expect(workers[1]?.requestIds).toHaveLength(1);
    expect(workers[1]?.requestIds[0]).not.toBe(workers[0]?.requestIds[0]);
    workers[0]?.row([text("late")]);
    workers[1]?.row([text("again"), FINISH]);
    expect(await collect(events)).toEqual(["again", "finish"]);
  });

  it("is sent again when the worker dies before it has accepted it", async () => {
    const { run, workers } = await ready({ manual: ["generate"] });
    const started = run.start();
    await settled();
    workers[0]?.die({ signal: "SIGKILL" });
    await settled();
    workers[1]?.asked
      .find(({ method }) => method === "generate")
      ?.answer({ prompt_tokens: 3, max_tokens: 10, seed: 1 });
    const { events } = await started;
    workers[1]?.row([FINISH]);
    expect(await collect(events)).toEqual(["finish"]);
  });

  it("is sent again only once, and suspected when the second worker dies of it too", async () => {
    const { run, workers } = await ready();
    const { events } = await run.start();
    workers[0]?.die({ code: 0 });
    await settled();
    workers[1]?.die({ code: 0 });
    expect(await collect(events)).toEqual(["request_suspected"]);
  });

  it("ends with one error when the answer had begun", async () => {
    const { run, workers } = await ready();
    const { events } = await run.start();
    workers[0]?.row([text("begun")]);
    workers[0]?.die({ signal: "SIGABRT" });
    expect(await collect(events)).toEqual(["begun", "worker_crashed"]);
    expect(workers[1]?.requestIds ?? []).toEqual([]);
  });

  it("carries the worker's own error to the client", async () => {
    const { run, workers } = await ready();
    const { events } = await run.start();
    workers[0]?.row([{ type: "error", code: "context_length_exceeded", message: "too long" }]);
    expect(await collect(events)).toEqual(["context_length_exceeded"]);
  });

  it("translates a refusal, and a word it does not know into an internal error", async () => {
    for (const [word, code] of [
      ["context_length_exceeded", "context_length_exceeded"],
      ["gibberish", "internal_error"],
    ] as const) {
      const { run, workers } = await ready({ manual: ["generate"] });
      const started = run.start();
      await settled();
      workers[0]?.asked.find(({ method }) => method === "generate")?.refuse(word, "no");
      await expect(started).rejects.toMatchObject({ code });
    }
  });

  it("names the field at fault as the client does", async () => {
    const chat = encodePrompt({
      kind: "messages",
      messages: [{ role: "user", content: "hi" }],
      tools: [],
      chat_template_kwargs: {},
    });
    for (const [prompt, param, expected] of [
      [chat, "prompt", "messages"],
      [chat, "max_tokens", "max_tokens"],
      [REQUEST.prompt, "prompt", "prompt"],
    ] as const) {
      const { run, workers } = await ready({ manual: ["generate"] }, { ...REQUEST, prompt });
      const started = run.start();
      await settled();
      workers[0]?.asked
        .find(({ method }) => method === "generate")
        ?.refuse("context_length_exceeded", "no", param);
      await expect(started).rejects.toMatchObject({ param: expected });
    }
  });

  it("cancels its row when the signal aborts, when the reader leaves, and drops what comes later", async () => {
    for (const leave of ["abort", "return"] as const) {
      const { run, workers, abort } = await ready();
      const { events } = await run.start();
      workers[0]?.row([text("a")]);
      const reader = events[Symbol.asyncIterator]();
      expect(await reader.next()).toMatchObject({ value: text("a") });
      if (leave === "abort") abort.abort();
      else await reader.return?.();
      workers[0]?.row([text("late")]);
      expect(await reader.next()).toMatchObject({ done: true });
      expect(workers[0]?.asked.at(-1)).toMatchObject({
        method: "cancel",
        params: { request_id: workers[0]?.requestIds[0] },
      });
      expect(workers[0]?.session.inFlight).toBe(0);
    }
  });

  it("gives up a reader that falls more than 1 MiB behind, and only that one", async () => {
    const { run, workers } = await ready();
    const { events } = await run.start();
    for (let index = 0; index < 20; index++) workers[0]?.row([text("x".repeat(100_000))]);
    expect((await collect(events)).at(-1)).toBe("rate_limit_exceeded");
    expect(workers[0]?.asked.at(-1)).toMatchObject({ method: "cancel" });
    expect(workers[0]?.stops).toEqual([]);
  });

  it("counts log probabilities as well: they are most of such an answer", async () => {
    const { run, workers } = await ready();
    const { events } = await run.start();
    const candidate = { token_id: 1, token: "a", bytes: [97], logprob: -1 };
    const logprobs = [{ ...candidate, top: Array.from({ length: 20 }, () => candidate) }];
    for (let index = 0; index < 1_000; index++) workers[0]?.row([{ type: "text", text: "a", logprobs }]);
    expect((await collect(events)).at(-1)).toBe("rate_limit_exceeded");
  });

  it("does not hold one long event against its reader", async () => {
    const { run, workers } = await ready();
    const { events } = await run.start();
    const call = {
      type: "tool_call",
      index: 0,
      id: "c",
      name: "write",
      arguments: "x".repeat(1_500_000),
    } as const;
    workers[0]?.row([text("a"), call, FINISH]);
    expect(await collect(events)).toEqual(["a", "tool_call", "finish"]);
  });

  it("leaves a held request when its client goes", async () => {
    const { host, workers } = hostWithFakes({ manual: ["load"] });
    host.startAutomatically();
    await settled();
    const abort = new AbortController();
    const run = new GenerationRun({
      host,
      request: REQUEST,
      signal: abort.signal,
      origin: {},
      holdMs: 30_000,
      now: () => performance.now(),
      observer: NO_OBSERVER,
      log: pino({ level: "silent" }),
    });
    const started = run.start();
    abort.abort(new Error("gone"));
    await expect(started).rejects.toThrow("gone");
    expect(workers[0]?.requestIds).toEqual([]);
  });
});
