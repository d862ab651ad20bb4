import type { TokenLogprob } from "../../../shared/generation.ts";
import type { ChatLogprobs } from "../../../shared/openai.ts";

/** Tokens with their log probabilities as Chat Completions says them. */
export function encodeChatLogprobs(tokens: readonly TokenLogprob[]): ChatLogprobs {
  return {
    content: tokens.map((token) => ({ ...encodeToken(token), top_logprobs: token.top.map(encodeToken) })),
    refusal: null,
  };
}

function encodeToken({ token, logprob, bytes }: Omit<TokenLogprob, "top">) {
  return { token, logprob, bytes };
}
