import { expect, it } from "vitest";
import { LegacyLogprobs } from "../../../../supervisor/http/dialects/openai/legacy-logprobs.ts";

const encoder = new TextEncoder();
const token = (text: string, logprob = -1, bytes: number[] = [...encoder.encode(text)]) => ({
  token_id: 1,
  token: text,
  bytes,
  logprob,
  top: [],
});

it("counts characters, not bytes and not UTF-16 units", () => {
  expect(new LegacyLogprobs().encode([token("é"), token("😀x"), token("y")]).text_offset).toEqual([0, 1, 3]);
});

it("lets the tokens that share a character begin where it begins", () => {
  const [a = 0, b = 0, c = 0, d = 0] = encoder.encode("😀");
  const parts = [
    token("\ufffd", -1, [a, b]),
    token("\ufffd", -1, [c]),
    token("\ufffd!", -1, [d, 33]),
    token("x"),
  ];
  expect(new LegacyLogprobs().encode([token("ab"), ...parts]).text_offset).toEqual([0, 2, 2, 2, 4]);
});

it("keeps the likelier of two alternatives that read the same, and the chosen token", () => {
  const top = [token("b", -0.1), token("b", -2)];
  expect(new LegacyLogprobs().encode([{ ...token("a", -3), top }]).top_logprobs).toEqual([
    { a: -3, b: -0.1 },
  ]);
});
