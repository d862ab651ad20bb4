import { cpSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { readChatStream } from "../support/sse.ts";
import { tinyModels } from "../support/tiny-models.ts";

let lmx: RunningSupervisor;
const SECOND = "tiny/second";

beforeAll(async () => {
  lmx = await RunningSupervisor.start({
    models: { [SECOND]: tinyModels().endless, "tiny/third": tinyModels().endlessTwin },
  });
});
afterAll(async () => {
  await lmx.dispose();
});

describe("the demo model", () => {
  it("answers the printed curl line with pong", async () => {
    await lmx.outputShows(/Try it:/);
    const [, url = "", body = ""] = /curl -s (\S+) .* -d '(.*)'/.exec(lmx.output) ?? [];
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    expect(await response.json()).toMatchObject({
      object: "chat.completion",
      model: "lmx-demo",
      choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "pong" } }],
    });
  });

  it("tells the same story streamed and not, with usage", async () => {
    const whole = (await (
      await lmx.chat("lmx-demo", "Tell me a story", { max_tokens: 400 })
    ).json()) as OpenAI.ChatCompletion;
    const streamed = await readChatStream(
      await lmx.chat("lmx-demo", "Tell me a story", { stream: true, max_tokens: 400 }),
    );
    expect(streamed).toMatchObject({
      text: whole.choices[0]?.message.content,
      finishReasons: ["stop"],
      errors: [],
      done: true,
    });
    expect(whole.usage?.completion_tokens).toBeGreaterThanOrEqual(150);
  });

  it("calls a tool and speaks about its result, through the official SDK", async () => {
    const client = new OpenAI({ baseURL: `${lmx.url}/v1`, apiKey: "none", maxRetries: 0 });
    const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
    const tools: OpenAI.ChatCompletionTool[] = [
      { type: "function", function: { name: "get_weather", description: "Weather of a city", parameters } },
    ];
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: "user", content: "What is the weather in Paris?" },
    ];
    const first = await client.chat.completions.create({
      model: "lmx-demo",
      messages,
      tools,
      temperature: 0,
    });
    const message = first.choices[0]?.message;
    const call = message?.tool_calls?.[0];
    expect(first.choices[0]?.finish_reason).toBe("tool_calls");
    expect(call).toMatchObject({ type: "function", function: { name: "get_weather" } });
    expect(JSON.parse(call?.type === "function" ? call.function.arguments : "")).toEqual({ city: "Paris" });
    if (message === undefined || call === undefined) throw new Error("no tool call");
    messages.push(message, {
      role: "tool",
      tool_call_id: call.id,
      content: JSON.stringify({ temperature: 18, condition: "sunny" }),
    });
    const second = await client.chat.completions.create({
      model: "lmx-demo",
      messages,
      tools,
      temperature: 0,
    });
    expect(second.choices[0]?.message.content).toContain("Paris");
  });
});

describe("a model's way from disk and back", () => {
  it("is refused unloaded with the command that loads it", async () => {
    const response = await lmx.chat("tiny/third", "hello");
    expect([response.status, response.headers.get("x-should-retry")]).toEqual([409, "false"]);
    expect(await response.json()).toMatchObject({
      error: { code: "model_not_ready", message: expect.stringContaining("lmx load tiny/third") },
    });
  });

  it("loads, serves two models at once, cancels for a client that leaves, and unloads", async () => {
    const { stdout } = await lmx.lmx("load", SECOND, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ model_id: SECOND, readiness: { state: "routable" } });
    expect((await lmx.model(SECOND)).worker?.pid).not.toBe((await lmx.model("lmx-demo")).worker?.pid);

    const leaving = new AbortController();
    const endless = await lmx.chat(
      SECOND,
      "go on",
      { stream: true, max_tokens: 1500 },
      { signal: leaving.signal },
    );
    await readChatStream(endless, () => leaving.abort()).catch(() => {});
    while (((await lmx.model(SECOND)).worker?.in_flight ?? 1) > 0);

    const [one, two] = await Promise.all([
      lmx.chat("lmx-demo", "ping"),
      lmx.chat(SECOND, "go on", { max_tokens: 20 }),
    ]);
    expect([one.status, two.status]).toEqual([200, 200]);

    await lmx.lmx("unload", SECOND);
    expect(await lmx.model(SECOND)).toMatchObject({
      loaded: false,
      worker: null,
      readiness: { state: "unloaded" },
    });
  });

  it("starts on request once it has passed here, and the registry has the row", async () => {
    const response = await lmx.chat(SECOND, "go on", { max_tokens: 5 });
    expect(response.status).toBe(200);
  });

  it("coalesces loads asked for at the same moment", async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => lmx.post("/admin/models/load", { model_id: "tiny/third" })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(lmx.output.match(/"model":"tiny\/third"[^\n]*"to":"loading"/g)).toHaveLength(1);
  });
});

describe("bad input", () => {
  const envelope = async (response: Response) => {
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    expect(Object.keys(error).sort()).toEqual(expect.arrayContaining(["code", "message", "param", "type"]));
    expect(response.headers.get("x-should-retry")).toBe("false");
    expect(response.headers.get("x-request-id")).toBeTruthy();
    return { status: response.status, code: error.code, message: error.message };
  };

  it("names near matches of an unknown model", async () => {
    expect(await envelope(await lmx.chat("lmx-dmeo", "ping"))).toMatchObject({
      status: 404,
      code: "model_not_found",
      message: expect.stringContaining("lmx-demo"),
    });
  });

  it.each([
    [
      "malformed JSON",
      { body: '{"model":', headers: { "content-type": "application/json" } },
      400,
      "invalid_request_error",
    ],
    [
      "a wrong content type",
      { body: "hello", headers: { "content-type": "text/plain" } },
      415,
      "unsupported_media_type",
    ],
    [
      "missing messages",
      { body: '{"model":"lmx-demo"}', headers: { "content-type": "application/json" } },
      400,
      "invalid_request_error",
    ],
    [
      "a 65 MB body",
      { body: Buffer.alloc(65 * 1024 * 1024, 32), headers: { "content-type": "application/json" } },
      413,
      "request_too_large",
    ],
  ])("answers %s", async (_name, init, status, code) => {
    expect(
      await envelope(await lmx.fetch("/v1/chat/completions", { method: "POST", ...init })),
    ).toMatchObject({ status, code });
  });

  it("tells a second instance in one line what is in use, and exits 75", async () => {
    const samePort = RunningSupervisor.spawn({ args: ["--port", new URL(lmx.url).port] });
    expect(await samePort.exited).toEqual({ code: 75, signal: null });
    expect(samePort.output.trim().split("\n")).toEqual([expect.stringContaining(new URL(lmx.url).port)]);
    await samePort.dispose();
    const sameState = RunningSupervisor.spawn({ home: lmx.home });
    expect(await sameState.exited).toEqual({ code: 75, signal: null });
    expect(sameState.output).toContain(String(lmx.pid));
  });
});

describe("a model put on disk while the service runs", () => {
  it("is in the next listing and can be loaded", async () => {
    cpSync(tinyModels().endless, join(lmx.home, "models/tiny/added"), { recursive: true });
    let ids: string[] = [];
    while (!ids.includes("tiny/added")) {
      const list = (await (await lmx.fetch("/v1/models")).json()) as { data: { id: string }[] };
      ids = list.data.map(({ id }) => id);
    }
    expect((await lmx.post("/admin/models/load", { model_id: "tiny/added" })).status).toBe(200);
  });
});

describe("an idle model", () => {
  it("leaves after its time, unless it is pinned, and comes back when it is asked for", async () => {
    const config = `idle_seconds: 0.5\nmodels:\n  ${SECOND}: { pinned: true }\n`;
    const models = { [SECOND]: tinyModels().endless };
    const args = ["--auto-load", `lmx-demo,${SECOND}`];
    const idle = await RunningSupervisor.start({ config, models, args, routable: [SECOND] });
    try {
      await idle.becomes("lmx-demo", "unloaded");
      expect((await idle.model(SECOND)).readiness.state).toBe("routable");
      expect((await idle.chat("lmx-demo", "ping")).status).toBe(200);
    } finally {
      await idle.dispose();
    }
  });

  it("is drained before it leaves when an operator unloads it in the middle of a stream", async () => {
    const whole = await readChatStream(
      await lmx.chat("lmx-demo", "Tell me a story", { stream: true, max_tokens: 400 }),
    );
    let unloaded: Promise<unknown> | null = null;
    const streamed = await readChatStream(
      await lmx.chat("lmx-demo", "Tell me a story", { stream: true, max_tokens: 400 }),
      () => (unloaded ??= lmx.lmx("unload", "lmx-demo")),
    );
    await unloaded;
    expect(streamed).toEqual(whole);
    expect((await lmx.model("lmx-demo")).readiness.state).toBe("unloaded");
  });
});
