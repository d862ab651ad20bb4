import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { WEATHER_PARAMETERS, WEATHER_QUESTION, WEATHER_RESULT } from "./weather.ts";

let lmx: RunningSupervisor;

beforeAll(async () => {
  lmx = await RunningSupervisor.start();
});
afterAll(async () => {
  await lmx.dispose();
});

describe("LangChain", () => {
  const model = () =>
    new ChatOpenAI({
      model: "lmx-demo",
      temperature: 0,
      maxRetries: 0,
      apiKey: "none",
      configuration: { baseURL: `${lmx.url}/v1` },
    });

  it("chats and streams", async () => {
    expect((await model().invoke("ping")).content).toBe("pong");
    let text = "";
    for await (const chunk of await model().stream("ping")) text += String(chunk.content);
    expect(text).toBe("pong");
  });

  it("calls a tool", async () => {
    const weather = langchainTool(async () => WEATHER_RESULT, {
      name: "get_weather",
      description: "Weather of a city",
      schema: z.object({ city: z.string() }),
    });
    const answer = await model().bindTools([weather]).invoke(WEATHER_QUESTION);
    expect(answer.tool_calls).toMatchObject([{ name: "get_weather", args: { city: expect.any(String) } }]);
  });
});

describe("the AI SDK", () => {
  const model = () =>
    createOpenAICompatible({ name: "lmx", baseURL: `${lmx.url}/v1`, includeUsage: true })("lmx-demo");

  it("chats and streams, with usage", async () => {
    const whole = await generateText({ model: model(), prompt: "ping", temperature: 0, maxRetries: 0 });
    expect(whole).toMatchObject({ text: "pong", finishReason: "stop" });
    const streamed = streamText({ model: model(), prompt: "ping", temperature: 0, maxRetries: 0 });
    expect(await streamed.text).toBe("pong");
    expect((await streamed.usage).totalTokens).toBe(whole.usage.totalTokens);
  });

  it("calls a tool and goes on with its result", async () => {
    const called: unknown[] = [];
    const get_weather = tool({
      description: "Weather of a city",
      inputSchema: jsonSchema<{ city: string }>({ ...WEATHER_PARAMETERS, required: ["city"] }),
      execute: async (input) => {
        called.push(input);
        return JSON.parse(WEATHER_RESULT) as object;
      },
    });
    const { text, steps } = await generateText({
      model: model(),
      prompt: WEATHER_QUESTION,
      tools: { get_weather },
      stopWhen: stepCountIs(2),
      temperature: 0,
      maxRetries: 0,
    });
    expect(called).toEqual([{ city: expect.any(String) }]);
    expect(steps).toHaveLength(2);
    expect(text).toContain("sunny");
  });
});
