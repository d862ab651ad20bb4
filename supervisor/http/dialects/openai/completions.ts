import type { ModelSettings } from "../../../../shared/config.ts";
import { LmxError } from "../../../../shared/errors.ts";
import type { FinishReason, GenerationEvent } from "../../../../shared/generation.ts";
import type {
  Completion,
  CompletionChunk,
  CompletionRequest,
} from "../../../../shared/openai-completions.ts";
import type { ChoiceEvent } from "../../streaming/choice-events.ts";
import { inLines } from "../../streaming/in-lines.ts";
import { members, nestedPieces } from "../../streaming/json-pieces.ts";
import { DONE, failureFrames, frame, KEEP_ALIVE } from "../../streaming/server-sent-events.ts";
import type { StreamEncoder } from "../../streaming/stream-encoder.ts";
import type { AnswerHead, Choice, Decoded, Dialect, InferenceCall } from "../dialect.ts";
import { decodePrompts } from "./completion-prompts.ts";
import { LegacyLogprobs } from "./legacy-logprobs.ts";
import { checkBiases, decodeSampling, decodeStop, repeatForChoices } from "./sampling-options.ts";
import { UsageSum } from "./usage.ts";
import { finishOf, tokensOf } from "./whole-choice.ts";

/** A completion as this server does it. */
export interface CompletionCall extends InferenceCall {
  readonly logprobs: boolean;
}

/** OpenAI's Completions: text in, text out, no chat template. */
export const completions: Dialect<CompletionRequest, CompletionCall> = {
  idPrefix: "cmpl-",
  decode,
  encode,
  stream,
};

/** What OpenAI takes when a request does not say. */
const DEFAULT_MAX_TOKENS = 16;

/** Prompts times answers per prompt; what one request may occupy. */
const MAX_CHOICES = 128;

function decode(
  body: CompletionRequest,
  settings: ModelSettings,
  assignedSeed: number,
): Decoded<CompletionCall> {
  refuseCombinations(body);
  const options = {
    sampling: decodeSampling(body, settings.sampling, assignedSeed),
    max_tokens: body.max_tokens ?? DEFAULT_MAX_TOKENS,
    ...decodeStop(body),
    ...(body.logprobs != null && { logprobs: body.logprobs }),
  };
  const requests = decodePrompts(body).flatMap((prompt) =>
    repeatForChoices({ prompt, ...options, ...(body.echo === true && { return_prompt: true }) }, body),
  );
  if (requests.length > MAX_CHOICES) {
    const problem = `prompt: ${requests.length} answers were asked for, prompts times n; at most ${MAX_CHOICES} at once.`;
    throw new LmxError("invalid_request_error", problem, { param: "prompt" });
  }
  checkBiases(body, requests.length);
  return {
    model: body.model,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    user: body.user ?? null,
    requests,
    choices: requests.length,
    choicesPerPrompt: body.n ?? 1,
    logprobs: body.logprobs != null,
  };
}

/** @throws LmxError unsupported_parameter for what would have to be ignored wrongly. */
function refuseCombinations(body: CompletionRequest): void {
  if (body.best_of != null && body.best_of !== (body.n ?? 1))
    throw unsupported("best_of", "answers are not ranked; leave it out or send the value of n");
  if (body.echo === true && body.logprobs != null)
    throw unsupported("logprobs", "the prompt's own tokens have no log probabilities; leave out echo");
}

type CompletionChoice = Completion["choices"][number];

function* encode(head: AnswerHead, call: CompletionCall, choices: readonly Choice[]): Generator<string> {
  const usage = new UsageSum(call.choicesPerPrompt);
  yield `{${members({ ...head, object: "text_completion" } satisfies Partial<Completion>)},"choices":`;
  yield* nestedPieces(choices, (choice, index) => encodeChoice(index, choice, call, usage));
  yield `,"usage":${JSON.stringify(usage.encode() satisfies Completion["usage"])}}`;
}

function* encodeChoice(
  index: number,
  { events, promptText }: Choice,
  call: CompletionCall,
  usage: UsageSum,
): Generator<string> {
  const finish = finishOf(events);
  usage.add(index, finish.usage);
  const text = (promptText ?? "") + events.map(textOf).join("");
  const finish_reason = finishReason(finish.reason);
  yield `{${members({ index, text, finish_reason } satisfies Partial<CompletionChoice>)},"logprobs":`;
  if (call.logprobs) yield* new LegacyLogprobs().pieces(tokensOf(events));
  else yield "null";
  yield "}";
}

function stream(
  head: AnswerHead,
  call: CompletionCall,
  promptTexts: readonly (string | null)[],
): StreamEncoder<ChoiceEvent> {
  const usage = new UsageSum(call.choicesPerPrompt);
  const indexes = [...Array(call.choices).keys()];
  const logprobs = indexes.map(() => new LegacyLogprobs());
  const chunk = (choices: CompletionChunk["choices"], sum: CompletionChunk["usage"] = null): string =>
    frame({
      ...head,
      object: "text_completion",
      choices,
      ...(call.includeUsage && { usage: sum }),
    } satisfies CompletionChunk);
  const delta = (index: number, text: string): string =>
    inLines(text)
      .map((piece) => chunk([{ index, text: piece, logprobs: null, finish_reason: null }]))
      .join("");
  return {
    open: () => indexes.map((index) => delta(index, promptTexts[index] ?? "")).join(""),
    event({ index, event }) {
      if (event.type === "finish") {
        usage.add(index, event.usage);
        return chunk([{ index, text: "", logprobs: null, finish_reason: finishReason(event.reason) }]);
      }
      const tokens = event.type === "text" ? (event.logprobs ?? []) : [];
      if (tokens.length === 0) return delta(index, textOf(event));
      const encoded = logprobs[index]?.encode(tokens) ?? null;
      return chunk([{ index, text: textOf(event), logprobs: encoded, finish_reason: null }]);
    },
    close: () => (call.includeUsage ? chunk([], usage.encode()) : "") + DONE,
    fail: failureFrames,
    keepAlive: () => KEEP_ALIVE,
  };
}

/** Here reasoning is text like any other. */
function textOf(event: GenerationEvent): string {
  return event.type === "text" || event.type === "reasoning" ? event.text : "";
}

/** No tools were given, so nothing can have ended in a call. */
function finishReason(reason: FinishReason): Completion["choices"][number]["finish_reason"] {
  return reason === "length" ? "length" : "stop";
}

function unsupported(param: string, problem: string): LmxError {
  return new LmxError("unsupported_parameter", `${param}: ${problem}.`, { param });
}
