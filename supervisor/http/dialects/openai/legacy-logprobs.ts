import type { TokenLogprob } from "../../../../shared/generation.ts";
import type { CompletionLogprobs } from "../../../../shared/openai-completions.ts";
import { arrayPieces } from "../../streaming/json-pieces.ts";

/** Log probabilities as Completions says them. It remembers how far the text has come: offsets go on from chunk to chunk. */
export class LegacyLogprobs {
  #characters = 0;

  encode(tokens: readonly TokenLogprob[]): CompletionLogprobs {
    return {
      tokens: tokens.map(({ token }) => token),
      token_logprobs: tokens.map(({ logprob }) => logprob),
      top_logprobs: tokens.map(encodeAlternatives),
      text_offset: tokens.map(({ bytes }) => this.#advance(bytes)),
    };
  }

  /** The same as JSON, in pieces. */
  *pieces(tokens: readonly TokenLogprob[]): Generator<string> {
    yield '{"tokens":';
    yield* arrayPieces(tokens, ({ token }) => token);
    yield ',"token_logprobs":';
    yield* arrayPieces(tokens, ({ logprob }) => logprob);
    yield ',"top_logprobs":';
    yield* arrayPieces(tokens, encodeAlternatives);
    yield ',"text_offset":';
    yield* arrayPieces(tokens, ({ bytes }) => this.#advance(bytes));
    yield "}";
  }

  /** Where these bytes begin, in characters; a token that continues a character begins where that does. */
  #advance(bytes: readonly number[]): number {
    const begun = bytes.filter((byte) => !isContinuation(byte)).length;
    const offset = isContinuation(bytes[0] ?? 0) ? Math.max(this.#characters - 1, 0) : this.#characters;
    this.#characters += begun;
    return offset;
  }
}

/** Two tokens may read the same: the likelier one, which comes first, keeps the key. */
function encodeAlternatives({ token, logprob, top }: TokenLogprob): Record<string, number> {
  return Object.fromEntries([
    [token, logprob],
    ...top.map((other) => [other.token, other.logprob] as const).toReversed(),
  ]);
}

/** Bytes of UTF-8 that do not begin a character. */
function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
