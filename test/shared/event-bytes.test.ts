import { expect, it } from "vitest";
import { eventBytes } from "../../shared/event-bytes.ts";
import type { GenerationEvent } from "../../shared/generation.ts";

const LONG = "x".repeat(1_000_000);
const token = { token_id: 1, token: "a", bytes: [97], logprob: -1 };

it.each<[string, GenerationEvent]>([
  ["text", { type: "text", text: LONG }],
  ["reasoning", { type: "reasoning", text: LONG }],
  ["the name of a call", { type: "tool_call", index: 0, id: "", name: LONG, arguments: "" }],
  ["the id of a call", { type: "tool_call", index: 0, id: LONG, name: "", arguments: "" }],
  ["the arguments of a call", { type: "tool_call", index: 0, id: "", name: "", arguments: LONG }],
  ["a token's text", { type: "text", text: "", logprobs: [{ ...token, token: LONG, top: [] }] }],
  [
    "an alternative's text",
    { type: "text", text: "", logprobs: [{ ...token, top: [{ ...token, token: LONG }] }] },
  ],
  [
    "a token's bytes",
    { type: "text", text: "", logprobs: [{ ...token, bytes: new Array(1_000_000).fill(97), top: [] }] },
  ],
  ["many tokens", { type: "text", text: "", logprobs: new Array(10_000).fill({ ...token, top: [] }) }],
])("an event's bytes count %s", (_what, event) => {
  expect(eventBytes(event)).toBeGreaterThan(1_000_000);
});
