import OpenAI from "openai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { WEATHER_TOOL } from "./weather.ts";

let lmx: RunningSupervisor;

beforeAll(async () => {
  lmx = await RunningSupervisor.start();
});
afterAll(async () => {
  await lmx.dispose();
});

const PARAMETER_WORDS =
  "What it is, when it is needed, what happens without it and how it goes with the others. ";

/** Eleven tools beside the one that is wanted, with parameters described at the length agents describe theirs. */
const OTHER_TOOLS: OpenAI.ChatCompletionTool[] = Array.from({ length: 11 }, (_, index) => ({
  type: "function",
  function: {
    name: `workspace_action_${index}`,
    description: "Reads or changes a file of the workspace.",
    parameters: {
      type: "object",
      properties: {
        path: { type: "string", description: PARAMETER_WORDS.repeat(15) },
        lines: { type: "array", items: { type: "integer" }, description: PARAMETER_WORDS.repeat(15) },
        mode: { type: "string", enum: ["read", "write"], description: PARAMETER_WORDS.repeat(10) },
      },
      required: ["path"],
      additionalProperties: false,
    },
    strict: false,
  },
}));

/** What an agent gateway sends on every turn: long instructions, many tools, two user messages in a row. */
function agentTurn(): OpenAI.ChatCompletionCreateParamsStreaming {
  const rules = "Work in small steps, look before you change anything, and say what you found. ";
  const turn: OpenAI.ChatCompletionCreateParamsStreaming = {
    model: "lmx-demo",
    messages: [
      { role: "developer", content: "" },
      { role: "user", content: [{ type: "text", text: "[Sat 10:04] A note about the workspace." }] },
      { role: "user", content: [{ type: "text", text: "ping" }] },
    ],
    tools: [...OTHER_TOOLS, WEATHER_TOOL],
    tool_choice: "auto",
    parallel_tool_calls: true,
    max_completion_tokens: 64,
    temperature: 0,
    store: false,
    stream: true,
    stream_options: { include_usage: true },
  };
  const missing = 53_000 - JSON.stringify(turn).length;
  turn.messages[0] = { role: "developer", content: rules.repeat(Math.ceil(missing / rules.length)) };
  return turn;
}

it("a turn as agents send it, 53 kB with 12 tools, is answered as a strict stream", async () => {
  const turn = agentTurn();
  expect(JSON.stringify(turn).length).toBeGreaterThan(53_000);
  const client = new OpenAI({ baseURL: `${lmx.url}/v1`, apiKey: "none", maxRetries: 0 });
  const reasons: string[] = [];
  let usage: OpenAI.CompletionUsage | undefined;
  let text = "";
  let afterTheEnd = 0;
  for await (const chunk of await client.chat.completions.create(turn)) {
    const [choice] = chunk.choices;
    if (choice !== undefined && reasons.length > 0) afterTheEnd += 1;
    if (choice?.finish_reason) reasons.push(choice.finish_reason);
    text += choice?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  const whole = await client.chat.completions.create({ ...turn, stream: false, stream_options: null });
  const [answer] = whole.choices;
  expect(answer?.message.content).toMatch(/\w+/);
  expect({ reasons, text, afterTheEnd }).toEqual({
    reasons: [answer?.finish_reason],
    text: answer?.message.content,
    afterTheEnd: 0,
  });
  expect(usage).toEqual(whole.usage);
  // The demo template keeps the beginning of the system text and the list of tools; all of that is read.
  expect(usage?.prompt_tokens).toBeGreaterThan(500);
});
