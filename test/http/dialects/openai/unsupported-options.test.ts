import { describe, expect, it } from "vitest";
import { chatCompletionRequestSchema } from "../../../../shared/openai.ts";
import { refuseUnsupportedOptions } from "../../../../supervisor/http/dialects/openai/unsupported-options.ts";

const BASE = { model: "m", messages: [{ role: "user", content: "hi" }] };
const TOOLS = [{ type: "function", function: { name: "f" } }];

function refuse(extra: object) {
  refuseUnsupportedOptions(chatCompletionRequestSchema.parse({ ...BASE, ...extra }));
}

describe("refuseUnsupportedOptions", () => {
  it.each([
    [{ response_format: { type: "json_object" } }],
    [{ response_format: { type: "json_schema", json_schema: {} } }],
    [{ tool_choice: "required" }],
    [{ tool_choice: { type: "function", function: { name: "f" } } }],
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
    [{ response_format: { type: "text" }, tool_choice: "auto", tools: TOOLS, functions: [] }],
    [{ n: 2, stop: "three", top_k: 40, logit_bias: { "5": 1 }, logprobs: true, parallel_tool_calls: false }],
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
