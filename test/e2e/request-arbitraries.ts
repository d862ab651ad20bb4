import fc from "fast-check";

/** The tiny models of the tests have this many tokens; ids beyond it are asked for as well. */
const VOCABULARY = 320;
const MOST_TOKENS = 3;

type Arbitraries = Record<string, fc.Arbitrary<unknown>>;

/** Any text, with a chance of the marks templates, tool parsers and reasoning readers look for. */
const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom(
    "go on",
    "",
    " ",
    "\0",
    "<|end|>",
    "<think>",
    "<tool_call>{",
    "</tool_call>",
    "{{ 7*7 }}",
    "😀é",
  ),
);

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const tokenId = fc.oneof(
  { weight: 100, arbitrary: fc.nat(VOCABULARY - 1) },
  { weight: 1, arbitrary: fc.integer({ min: VOCABULARY, max: VOCABULARY + 20 }) },
);

const options: Arbitraries = {
  stream: fc.boolean(),
  stream_options: fc.record({ include_usage: fc.boolean(), unknown: fc.anything() }, { requiredKeys: [] }),
  n: fc.integer({ min: 1, max: 2 }),
  stop: fc.oneof(text, fc.array(text, { maxLength: 4 })),
  seed: fc.oneof(fc.integer(), fc.maxSafeInteger()),
  temperature: fc.oneof(number(0, 2), fc.constantFrom(0, 1e-300, 5e-324, 2)),
  top_p: fc.oneof(number(0, 1), fc.constantFrom(0, 1e-300, 5e-324, 1)),
  top_k: fc.oneof(fc.integer({ min: -1, max: 400 }), fc.maxSafeNat()),
  min_p: fc.oneof(number(0, 1), fc.constantFrom(0, 5e-324, 1)),
  xtc_probability: number(0, 1),
  xtc_threshold: number(0, 0.5),
  repetition_penalty: fc.oneof(number(0.01, 10), fc.constantFrom(5e-324, 1e-30, 1)),
  repetition_context_size: fc.integer({ min: 1, max: 100_000 }),
  presence_penalty: number(-2, 2),
  frequency_penalty: number(-2, 2),
  logit_bias: fc.dictionary(tokenId.map(String), number(-100, 100), { maxKeys: 5 }),
};

const tools = fc.array(
  fc.record({
    type: fc.constant("function"),
    function: fc.record({
      name: fc.constantFrom("get_weather", "f", "a b"),
      description: text,
      parameters: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }),
    }),
  }),
  { maxLength: 2 },
);

const message = fc.oneof(
  fc.record({ role: fc.constantFrom("system", "developer", "user", "assistant"), content: text }),
  fc.record({
    role: fc.constant("user"),
    content: fc.array(fc.record({ type: fc.constant("text"), text }), { maxLength: 3 }),
    name: text,
  }),
  fc.record({
    role: fc.constant("assistant"),
    reasoning_content: text,
    tool_calls: fc.array(
      fc.record({
        id: text,
        type: fc.constant("function"),
        function: fc.record({ name: text, arguments: fc.oneof(text, fc.json()) }),
      }),
      { maxLength: 2 },
    ),
  }),
  fc.record({ role: fc.constant("tool"), content: text, tool_call_id: text }),
);

const maxTokens = fc.integer({ min: 1, max: MOST_TOKENS });

/** What the server refuses by name must stay rare, or little else would be tried. */
function rarely<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.oneof({ weight: 30, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
}

const alternatives = fc.integer({ min: 0, max: 20 });

/** Bodies of chat completions within the published schema; the server may still refuse one, with a reason. */
export function chatRequest(model: string): fc.Arbitrary<object> {
  const logprobs = fc.oneof(
    fc.constant({}),
    fc.record({ logprobs: fc.constant(true), top_logprobs: alternatives }, { requiredKeys: ["logprobs"] }),
    rarely(fc.record({ top_logprobs: alternatives })),
  );
  const body = fc.record(
    {
      ...options,
      model: fc.constant(model),
      messages: fc.array(message, { minLength: 1, maxLength: 4 }),
      max_tokens: maxTokens,
      tools,
      tool_choice: fc.oneof(fc.constantFrom("auto", "none"), rarely(fc.constant("required"))),
      parallel_tool_calls: fc.boolean(),
      chat_template_kwargs: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 2 }),
      reasoning_effort: fc.constantFrom("none", "low", "high"),
      response_format: rarely(fc.record({ type: fc.constantFrom("text", "json_object") })),
    },
    { requiredKeys: ["model", "messages", "max_tokens"] },
  );
  return fc.tuple(body, logprobs).map(([one, other]) => ({ ...one, ...other }));
}

/** Bodies of completions within the published schema. */
export function completionRequest(model: string): fc.Arbitrary<object> {
  const prompt = fc.oneof(
    text,
    fc.array(text, { minLength: 1, maxLength: 2 }),
    fc.array(tokenId, { minLength: 1, maxLength: 30 }),
    fc.array(fc.array(tokenId, { maxLength: 10 }), { minLength: 1, maxLength: 2 }),
  );
  const extra = fc.oneof(
    fc.constant({}),
    fc.record({ echo: fc.boolean() }),
    fc.record({ logprobs: alternatives }),
    rarely(fc.record({ echo: fc.constant(true), logprobs: alternatives })),
  );
  const body = fc.record(
    {
      ...options,
      model: fc.constant(model),
      prompt,
      max_tokens: maxTokens,
      suffix: rarely(text),
      best_of: rarely(fc.integer({ min: 1, max: 3 })),
    },
    { requiredKeys: ["model", "prompt", "max_tokens"] },
  );
  return fc.tuple(body, extra).map(([one, other]) => ({ ...one, ...other }));
}
