import type { TokenLogprob } from "../../../../shared/generation.ts";
import type { ChatLogprobs } from "../../../../shared/openai.ts";
import { arrayPieces } from "../../streaming/json-pieces.ts";

/** Tokens with their log probabilities as Chat Completions says them. */
export function encodeChatLogprobs(tokens: readonly TokenLogprob[]): ChatLogprobs {
  return { content: tokens.map(encodeWithAlternatives), refusal: null };
}

/** The same as JSON, in pieces. */
export function* chatLogprobsPieces(tokens: readonly TokenLogprob[]): Generator<string> {
  yield '{"content":';
  yield* arrayPieces(tokens, encodeWithAlternatives);
  yield ',"refusal":null}';
}

function encodeWithAlternatives(token: TokenLogprob) {
  return { ...encodeToken(token), top_logprobs: token.top.map(encodeToken) };
}

function encodeToken({ token, logprob, bytes }: Omit<TokenLogprob, "top">) {
  return { token, logprob, bytes };
}
