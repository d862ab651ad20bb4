import type { ModelSettings } from "../../../../shared/config.ts";
import { LmxError } from "../../../../shared/errors.ts";
import type { GenerationEvent, GenerationRequest } from "../../../../shared/generation.ts";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
} from "../../../../shared/openai.ts";
import type { ChoiceEvent } from "../../streaming/choice-events.ts";
import { inLines } from "../../streaming/in-lines.ts";
import { members, nestedPieces } from "../../streaming/json-pieces.ts";
import { DONE, failureFrames, frame, KEEP_ALIVE } from "../../streaming/server-sent-events.ts";
import type { StreamEncoder } from "../../streaming/stream-encoder.ts";
import type { AnswerHead, Choice, Decoded, Dialect, InferenceCall } from "../dialect.ts";
import { chatLogprobsPieces, encodeChatLogprobs } from "./chat-logprobs.ts";
import { decodeMessages, decodeTools } from "./chat-messages.ts";
import { untilFirstToolCall } from "./first-tool-call.ts";
import { checkBiases, decodeSampling, decodeStop, repeatForChoices } from "./sampling-options.ts";
import { decodeTemplateArguments } from "./template-arguments.ts";
import { refuseUnsupportedOptions } from "./unsupported-options.ts";
import { UsageSum } from "./usage.ts";
import { finishOf, tokensOf } from "./whole-choice.ts";

/** A chat completion as this server does it. */
export interface ChatCompletionCall extends InferenceCall {
  readonly logprobs: boolean;
  readonly oneToolCall: boolean;
}

/** OpenAI's Chat Completions. */
export const chatCompletions: Dialect<ChatCompletionRequest, ChatCompletionCall> = {
  idPrefix: "chatcmpl-",
  decode,
  encode,
  stream,
};

function decode(
  body: ChatCompletionRequest,
  settings: ModelSettings,
  assignedSeed: number,
): Decoded<ChatCompletionCall> {
  refuseUnsupportedOptions(body);
  const tools = decodeTools(body.tools ?? []);
  const request: GenerationRequest = {
    prompt: {
      kind: "messages",
      messages: decodeMessages(body.messages),
      tools: body.tool_choice === "none" ? [] : tools,
      chat_template_kwargs: decodeTemplateArguments(body, settings.chat_template_kwargs),
    },
    sampling: decodeSampling(body, settings.sampling, assignedSeed),
    max_tokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    ...decodeStop(body),
    ...decodeLogprobs(body),
  };
  const requests = repeatForChoices(request, body);
  checkBiases(body, requests.length);
  return {
    model: body.model,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    user: body.user ?? null,
    requests,
    choices: requests.length,
    choicesPerPrompt: requests.length,
    logprobs: body.logprobs ?? false,
    oneToolCall: body.parallel_tool_calls === false,
  };
}

function decodeLogprobs({
  logprobs,
  top_logprobs,
}: ChatCompletionRequest): Pick<GenerationRequest, "logprobs"> {
  if (logprobs === true) return { logprobs: top_logprobs ?? 0 };
  if (top_logprobs == null || top_logprobs === 0) return {};
  const problem = "top_logprobs: expected logprobs: true beside it.";
  throw new LmxError("invalid_request_error", problem, { param: "top_logprobs" });
}

type ChatChoice = ChatCompletion["choices"][number];

function* encode(head: AnswerHead, call: ChatCompletionCall, choices: readonly Choice[]): Generator<string> {
  const usage = new UsageSum(call.choicesPerPrompt);
  yield `{${members({ ...head, object: "chat.completion" } satisfies Partial<ChatCompletion>)},"choices":`;
  yield* nestedPieces(choices, ({ events }, index) => encodeChoice(index, events, call, usage));
  yield `,"usage":${JSON.stringify(usage.encode() satisfies ChatCompletion["usage"])}}`;
}

function* encodeChoice(
  index: number,
  events: readonly GenerationEvent[],
  call: ChatCompletionCall,
  usage: UsageSum,
): Generator<string> {
  const kept = call.oneToolCall ? events.map(untilFirstToolCall()).filter((event) => event !== null) : events;
  const finish = finishOf(kept);
  usage.add(index, finish.usage);
  const choice = { index, message: messageOf(kept), finish_reason: finish.reason };
  yield `{${members(choice satisfies Partial<ChatChoice>)},"logprobs":`;
  if (call.logprobs) yield* chatLogprobsPieces(tokensOf(kept));
  else yield "null";
  yield "}";
}

function messageOf(events: readonly GenerationEvent[]): ChatChoice["message"] {
  const content = textOf(events, "text");
  const reasoning = textOf(events, "reasoning");
  const calls = events.filter((event) => event.type === "tool_call");
  return {
    role: "assistant",
    content: content === "" && calls.length > 0 ? null : content,
    refusal: null,
    ...(reasoning !== "" && { reasoning_content: reasoning, reasoning }),
    ...(calls.length > 0 && { tool_calls: calls.map(encodeToolCall) }),
  };
}

function stream(head: AnswerHead, call: ChatCompletionCall): StreamEncoder<ChoiceEvent> {
  const usage = new UsageSum(call.choicesPerPrompt);
  const indexes = [...Array(call.choices).keys()];
  const filters = indexes.map(() => (call.oneToolCall ? untilFirstToolCall() : passOn));
  const chunk = (choices: ChatCompletionChunk["choices"]): string =>
    frame(chunkOf(head, choices, call.includeUsage ? { usage: null } : {}));
  return {
    open: () =>
      indexes.map((index) => chunk([deltaChoice(index, { role: "assistant", content: "" })])).join(""),
    event({ index, event }) {
      const kept = filters[index]?.(event) ?? null;
      if (kept === null) return "";
      if (kept.type === "finish") usage.add(index, kept.usage);
      return encodeDeltas(index, kept)
        .map((choice) => chunk([choice]))
        .join("");
    },
    close: () => (call.includeUsage ? frame(chunkOf(head, [], { usage: usage.encode() })) : "") + DONE,
    fail: failureFrames,
    keepAlive: () => KEEP_ALIVE,
  };
}

type ChunkChoice = ChatCompletionChunk["choices"][number];
type ToolCallEvent = Extract<GenerationEvent, { type: "tool_call" }>;

function chunkOf(
  head: AnswerHead,
  choices: ChatCompletionChunk["choices"],
  usage: Pick<ChatCompletionChunk, "usage">,
): ChatCompletionChunk {
  return { ...head, object: "chat.completion.chunk", choices, ...usage };
}

function encodeDeltas(index: number, event: GenerationEvent): ChunkChoice[] {
  switch (event.type) {
    case "text": {
      const tokens = event.logprobs ?? [];
      if (event.text === "" && tokens.length === 0) return [];
      const logprobs = tokens.length === 0 ? null : encodeChatLogprobs(tokens);
      const [first = "", ...more] = inLines(event.text);
      return [
        { ...deltaChoice(index, { content: first }), logprobs },
        ...more.map((content) => deltaChoice(index, { content })),
      ];
    }
    case "reasoning":
      return inLines(event.text).map((text) =>
        deltaChoice(index, { reasoning_content: text, reasoning: text }),
      );
    case "tool_call":
      return toolCallDeltas(event).map((delta) => deltaChoice(index, delta));
    case "finish":
      return [{ ...deltaChoice(index, {}), finish_reason: event.reason }];
    default:
      return event satisfies never;
  }
}

function deltaChoice(index: number, delta: ChunkChoice["delta"]): ChunkChoice {
  return { index, delta, logprobs: null, finish_reason: null };
}

/** Clients start a call at the delta with its id and append what follows to its arguments. */
function toolCallDeltas({ index, id, name, arguments: text }: ToolCallEvent): ChunkChoice["delta"][] {
  const start = { tool_calls: [{ index, id, type: "function" as const, function: { name, arguments: "" } }] };
  const more = inLines(text).map((piece) => ({ tool_calls: [{ index, function: { arguments: piece } }] }));
  return [start, ...more];
}

function encodeToolCall({ id, name, arguments: text }: ToolCallEvent) {
  return { id, type: "function", function: { name, arguments: text } };
}

function textOf(events: readonly GenerationEvent[], type: "text" | "reasoning"): string {
  return events.map((event) => (event.type === type ? event.text : "")).join("");
}

function passOn(event: GenerationEvent): GenerationEvent {
  return event;
}
