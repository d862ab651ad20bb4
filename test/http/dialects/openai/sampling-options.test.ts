import { describe, expect, it } from "vitest";
import type { ModelSettings } from "../../../../shared/config.ts";
import { samplingSchema } from "../../../../shared/generation.ts";
import { chatCompletionRequestSchema } from "../../../../shared/openai.ts";
import { completionRequestSchema } from "../../../../shared/openai-completions.ts";
import { decodeSampling, decodeStop } from "../../../../supervisor/http/dialects/openai/sampling-options.ts";

const BASE = { model: "m", messages: [{ role: "user", content: "hi" }] };

function parse(options: object) {
  return chatCompletionRequestSchema.parse({ ...BASE, ...options });
}

function sampling(options: object, configured: ModelSettings["sampling"] = undefined) {
  const decoded = decodeSampling(parse(options), configured, 42);
  expect(samplingSchema.parse(decoded)).toEqual(decoded);
  return decoded;
}

const PLAIN = { temperature: 1, top_p: 1, seed: 42 };

describe("sampling options", () => {
  it("go to the worker under their own names", () => {
    const options = {
      temperature: 0.7,
      top_p: 0.9,
      seed: 7,
      top_k: 40,
      min_p: 0.05,
      xtc_probability: 0.5,
      xtc_threshold: 0.1,
      repetition_penalty: 1.1,
      repetition_context_size: 64,
      presence_penalty: -0.5,
      frequency_penalty: 0.5,
      logit_bias: { "5": -100, "0": 1.5 },
    };
    expect(sampling(options)).toEqual(options);
  });

  it("that are off or null are left out", () => {
    const off = { top_k: -1, min_p: 0, xtc_probability: 0, repetition_penalty: 1, presence_penalty: 0 };
    expect(sampling({ ...off, frequency_penalty: 0, logit_bias: {} })).toEqual(PLAIN);
    expect(sampling({ temperature: null, top_p: null, top_k: null, seed: null, logit_bias: null })).toEqual(
      PLAIN,
    );
  });

  it("of the request win over the model's configured ones, off included", () => {
    const configured = { temperature: 0.6, top_k: 20, min_p: 0.1, repetition_penalty: 1.2 };
    expect(sampling({}, configured)).toEqual({ ...PLAIN, ...configured });
    expect(sampling({ temperature: 0, top_k: 0, min_p: null, repetition_penalty: 1 }, configured)).toEqual({
      ...PLAIN,
      temperature: 0,
      min_p: 0.1,
    });
  });

  it("that leave only the likeliest token are greedy", () => {
    expect(sampling({ top_p: 0, temperature: 1.5 })).toEqual({ ...PLAIN, temperature: 0 });
    expect(sampling({ top_p: 0.5 })).toEqual({ ...PLAIN, top_p: 0.5 });
  });

  it.each([
    [0, 0],
    [7, 7],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [-1, Number.MAX_SAFE_INTEGER],
    [-(2 ** 63), 0],
    [2 ** 62 + 2 ** 20, 2 ** 20],
  ])("map the 64-bit seed %d to %d", (seed, mapped) => {
    expect(sampling({ seed }).seed).toBe(mapped);
  });
});

describe("stop texts", () => {
  it("are one or a list, without the empty ones clients fill up with", () => {
    expect(decodeStop(parse({ stop: "three" }))).toEqual({ stop: ["three"] });
    expect(decodeStop(parse({ stop: ["three", "", "\n"] }))).toEqual({ stop: ["three", "\n"] });
    for (const stop of [null, "", [], [""]]) expect(decodeStop(parse({ stop }))).toEqual({});
  });
});

describe.each([
  ["chat", chatCompletionRequestSchema, BASE],
  ["completions", completionRequestSchema, { model: "m", prompt: "hi" }],
] as const)("the %s schema", (_name, schema, base) => {
  it.each([
    ["temperature", [-1, 2.1, 1e308, "1", Number.NaN]],
    ["top_p", [-0.1, 1.1]],
    ["top_k", [-2, 1.5, 1e308]],
    ["min_p", [-0.1, 1.1]],
    ["xtc_probability", [-0.1, 1.1]],
    ["xtc_threshold", [-0.1, 0.6]],
    ["repetition_penalty", [0, -1, 11]],
    ["repetition_context_size", [0, 1.5, 100_001]],
    ["presence_penalty", [-2.1, 2.1]],
    ["frequency_penalty", [-2.1, 2.1]],
    ["logit_bias", [{ a: 1 }, { "-1": 1 }, { "01": 1 }, { "1": 101 }, { "1": "1" }, []]],
    ["n", [0, 9, 1.5]],
    ["stop", [1, Array(17).fill("a"), "a".repeat(1001), [null]]],
    ["seed", [1.5, 1e308, "1"]],
    ["max_tokens", [0, -1, 1.5, 1e308]],
  ])("refuses %s outside its range, by name", (field, values) => {
    for (const value of values) {
      const parsed = schema.safeParse({ ...base, [field]: value });
      expect(parsed.error?.issues[0]?.path[0], JSON.stringify(value)).toBe(field);
    }
  });
});
