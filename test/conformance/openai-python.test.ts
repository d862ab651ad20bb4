import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type PythonTools, pythonTools } from "../../scripts/python-tools.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { tinyModels } from "../support/tiny-models.ts";
import { drainingSupervisor } from "./draining-supervisor.ts";

let tools: PythonTools;
let lmx: RunningSupervisor;

beforeAll(async () => {
  tools = await pythonTools();
  lmx = await RunningSupervisor.start({ models: { "tiny/unloaded": tinyModels().endless } });
});
afterAll(async () => {
  await lmx.dispose();
});

async function client(what: "answers" | "refusals", url: string): Promise<Record<string, unknown>> {
  const program = join(import.meta.dirname, "openai_client.py");
  const { stdout } = await promisify(execFile)(tools.python, [program, what, url], {
    env: tools.environment,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe("the official OpenAI library for Python, in strict response validation", () => {
  it("chats, streams, scores, completes and calls tools", async () => {
    const { tokens, streamed_tokens, alternatives, ...answers } = await client("answers", lmx.url);
    expect(answers).toEqual({
      content: "pong",
      streamed: "pong",
      usage: true,
      several: [0, 1, 2],
      completion: [true, true],
      tools: { reason: "tool_calls", name: "get_weather", arguments: ["city"], sunny: true },
      models: true,
      model: "lmx-demo",
    });
    expect((tokens as string[]).join("")).toBe("pong");
    expect(streamed_tokens).toEqual(tokens);
    expect(new Set(alternatives as number[])).toEqual(new Set([3]));
  });

  it("sends once what no retry can help", async () => {
    expect(await client("refusals", lmx.url)).toEqual({
      ping: "answered after 1",
      "not loaded": "409 model_not_ready ConflictError after 1",
      unknown: "404 model_not_found NotFoundError after 1",
      "out of range": "400 invalid_request_error BadRequestError after 1",
      unsupported: "400 unsupported_parameter BadRequestError after 1",
    });
  });

  it("sends a request again, as often as it may, to a server that is stopping", async () => {
    const draining = await drainingSupervisor();
    try {
      expect(await client("refusals", draining.url)).toMatchObject({
        ping: "503 server_is_overloaded InternalServerError after 3",
      });
    } finally {
      await draining.dispose();
    }
  });
});
