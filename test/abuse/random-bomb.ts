import type { Random } from "../soak/random.ts";
import { type Bomb, CHAT, COMPLETIONS, chatHead, ELEMENTS, filled } from "./bombs.ts";

const CHAT_FIELDS = [
  "messages",
  "tools",
  "tool_choice",
  "stop",
  "logit_bias",
  "chat_template_kwargs",
  "response_format",
  "stream_options",
  "metadata",
  "user",
  "model",
  "temperature",
  "max_tokens",
  "audio",
  "prediction",
  "web_search_options",
  "functions",
  "zz",
];
const COMPLETION_FIELDS = ["prompt", "suffix", "stop", "logit_bias", "logprobs", "user", "zz"];
/** What may lie around a list; the list's own end comes in between. */
const WRAPPERS: readonly (readonly [open: string, close: string])[] = [
  ["[", "]"],
  ['{"a":[', "]}"],
  ['[{"role":"user","content":[', "]}]"],
  ['[{"type":"function","function":{"name":"a","parameters":{"properties":[', "]}}}]"],
  ["[[[[", "]]]]"],
  ['{"34":[', "]}"],
];
/** Small ones are as frequent as large ones. */
const SMALLEST_BYTES = 1_024;

/** A body with one field that holds very many of something. */
export function randomBomb(
  random: Random,
  model: string,
  largestBytes: number,
  smallestBytes = SMALLEST_BYTES,
): Bomb {
  const isChat = random.next() < 0.75;
  const field = pick(random, isChat ? CHAT_FIELDS : COMPLETION_FIELDS);
  const [open, close] = pick(random, WRAPPERS);
  // Two or three different elements in turn.
  const unit = Array.from({ length: random.between(1, 3) }, () => pick(random, ELEMENTS)).join(",");
  const bytes = Math.round(smallestBytes * (largestBytes / smallestBytes) ** random.next());
  const head = isChat ? chatHead(model) : `{"model":${JSON.stringify(model)},"max_tokens":1,"prompt":"x",`;
  return {
    name: `${field}: ${open}${unit}, …${close}, ${bytes} bytes`,
    path: isChat ? CHAT : COMPLETIONS,
    body: filled(`${head}"${field}":${open}`, unit, `${close}}`, bytes),
    field,
    isChunked: random.next() < 0.3,
  };
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random.between(0, choices.length - 1)] as T;
}
