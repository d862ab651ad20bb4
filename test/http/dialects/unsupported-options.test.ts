import { describe, expect, it } from "vitest";
import { chatCompletionRequestSchema } from "../../../shared/openai.ts";
import { refuseUnsupportedOptions } from "../../../supervisor/http/dialects/unsupported-options.ts";

const BASE = { model: "m", messages: [{ role: "user", content: "hi" }] };
const TOOLS = [{ type: "function", function: { name: "f" } }];

function refuse(extra: object) {
  refuseUnsupportedOptions(chatCompletionRequestSchema.parse({ ...BASE, ...extra }));
}

describe("refuseUnsupportedOptions", () => {
  it.each([
    [{ n: 2 }],
    [{ stop: "three" }],
    [{ stop: ["", "three"] }],
    [{ top_k: 40 }],
    [{ min_p: 0.1 }],
    [{ repetition_penalty: 1.1 }],
    [{ presence_penalty: -0.5 }],
    [{ frequency_penalty: 0.5 }],
    [{ logit_bias: { "5": 1 } }],
    [{ logprobs: true }],
    [{ top_logprobs: 3 }],
    [{ response_format: { type: "json_object" } }],
    [{ response_format: { type: "json_schema", json_schema: {} } }],
    [{ tool_choice: "required" }],
    [{ tool_choice: { type: "function", function: { name: "f" } } }],
    [{ parallel_tool_calls: false, tools: TOOLS }],
    [{ functions: [{ name: "f" }] }],
    [{ function_call: { name: "f" } }],
    [{ modalities: ["text", "audio"] }],
    [{ audio: { voice: "x" } }],
    [{ web_search_options: {} }],
  ])("refuses %j, which would change the answer, and names the field", (extra) => {
    const param = Object.keys(extra)[0];
    expect(() => refuse(extra)).toThrow(expect.objectContaining({ code: "unsupported_parameter", param }));
  });

  it.each([
    [{}],
    [
      {
        n: 1,
        stop: null,
        top_k: 0,
        min_p: 0,
        repetition_penalty: 1,
        presence_penalty: 0,
        frequency_penalty: 0,
      },
    ],
    [
      {
        stop: [],
        top_k: -1,
        logit_bias: {},
        logprobs: false,
        top_logprobs: 0,
        response_format: { type: "text" },
      },
    ],
    [
      {
        stop: "",
        logit_bias: { "5": 0 },
        tool_choice: "auto",
        parallel_tool_calls: true,
        tools: TOOLS,
        functions: [],
      },
    ],
    [
      {
        tool_choice: "none",
        parallel_tool_calls: false,
        function_call: "auto",
        modalities: ["text"],
        audio: null,
      },
    ],
    [{ n: null, logprobs: null, response_format: null, tool_choice: null, web_search_options: null }],
  ])("accepts %j, which asks for what happens anyway", (extra) => {
    expect(() => refuse(extra)).not.toThrow();
  });
});
