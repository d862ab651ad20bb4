import type { GenerationEvent, TokenLogprob } from "./generation.ts";

/** The event's object, its type and the place in a list. */
const BYTES_PER_EVENT = 64;
/** A string beyond Latin-1 has two. */
const BYTES_PER_CHARACTER = 2;
/** A token with a log probability: its object, the heads of its text and list, its numbers. */
const BYTES_PER_TOKEN = 160;
const BYTES_PER_NUMBER = 8;

/** What an event of a generation takes while it is kept, with everything in it: an upper bound, bytes. */
export function eventBytes(event: GenerationEvent): number {
  switch (event.type) {
    case "text":
      return BYTES_PER_EVENT + textBytes(event.text) + logprobsBytes(event.logprobs ?? []);
    case "reasoning":
      return BYTES_PER_EVENT + textBytes(event.text);
    case "tool_call":
      return BYTES_PER_EVENT + textBytes(event.id) + textBytes(event.name) + textBytes(event.arguments);
    case "finish":
      return BYTES_PER_EVENT;
    default:
      return event satisfies never;
  }
}

function logprobsBytes(logprobs: readonly TokenLogprob[]): number {
  let bytes = 0;
  for (const token of logprobs) {
    bytes += tokenBytes(token);
    for (const other of token.top) bytes += tokenBytes(other);
  }
  return bytes;
}

function tokenBytes({ token, bytes }: Pick<TokenLogprob, "token" | "bytes">): number {
  return BYTES_PER_TOKEN + textBytes(token) + BYTES_PER_NUMBER * bytes.length;
}

function textBytes(text: string): number {
  return BYTES_PER_CHARACTER * text.length;
}
