import { LmxError } from "../../../../shared/errors.ts";
import type { GenerationEvent, TokenLogprob } from "../../../../shared/generation.ts";

/** How a choice ended. @throws LmxError internal_error when it has not */
export function finishOf(events: readonly GenerationEvent[]): Extract<GenerationEvent, { type: "finish" }> {
  const finish = events.find((event) => event.type === "finish");
  if (finish === undefined)
    throw new LmxError("internal_error", "The generation ended without a finish reason.");
  return finish;
}

/** The tokens of a choice's text, where log probabilities were asked for. */
export function tokensOf(events: readonly GenerationEvent[]): TokenLogprob[] {
  return events.flatMap((event) => (event.type === "text" ? (event.logprobs ?? []) : []));
}
