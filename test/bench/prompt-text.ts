import { createHash } from "node:crypto";

const WORDS =
  "the quick brown fox jumps over lazy dog and then it runs home to sleep in warm sun because every model lives".split(
    " ",
  );

/** Tokens of the benchmark model's tokenizer per word of this text, measured. */
const TOKENS_PER_WORD = 3;

/**
 * Text of about `tokens` tokens, always the same for the same key and different from its first words on for any other:
 * every server gets the same prompts, and none may answer from a cache of earlier ones.
 */
export function promptText(key: string, tokens: number): string {
  const words: string[] = [];
  for (let block = 0; words.length * TOKENS_PER_WORD < tokens; block += 1)
    for (const byte of createHash("sha256").update(`${key}/${block}`).digest())
      words.push(WORDS[byte % WORDS.length] ?? "");
  return words.slice(0, Math.ceil(tokens / TOKENS_PER_WORD)).join(" ");
}
