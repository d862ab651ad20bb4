import { LmxError } from "../../../shared/errors.ts";
import type { GenerationEvent, GenerationRequest, Sampling, Usage } from "../../../shared/generation.ts";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  ChatUsage,
} from "../../../shared/openai.ts";
import type { StreamEncoder } from "../stream-encoder.ts";
import { decodeMessages, decodeTools } from "./chat-messages.ts";
import { refuseUnsupportedOptions } from "./unsupported-options.ts";

/** A chat completion as this server does it. */
export interface ChatCompletionCall {
  readonly model: string;
  readonly request: GenerationRequest;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** What every object of one answer repeats. */
export interface AnswerHead {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** As the client named it. */
  readonly model: string;
}

/** Below this only the likeliest token is left in any vocabulary up to a million: the same as greedy, without its rounding. */
const GREEDY_TOP_P = 1e-6;

/** Arguments the worker itself gives to the chat template. */
const RESERVED_TEMPLATE_ARGUMENTS = [
  "add_generation_prompt",
  "chat_template",
  "continue_final_message",
  "conversation",
  "documents",
  "max_length",
  "messages",
  "padding",
  "return_assistant_tokens_mask",
  "return_dict",
  "return_tensors",
  "tokenize",
  "tokenizer_kwargs",
  "tools",
  "truncation",
];

/**
 * A parsed request in neutral form.
 * @param assignedSeed seed of a request that names none
 * @throws LmxError unsupported_parameter, invalid_request_error
 */
export function decodeChatCompletion(body: ChatCompletionRequest, assignedSeed: number): ChatCompletionCall {
  refuseUnsupportedOptions(body);
  const tools = decodeTools(body.tools ?? []);
  return {
    model: body.model,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    request: {
      prompt: {
        kind: "messages",
        messages: decodeMessages(body.messages),
        tools: body.tool_choice === "none" ? [] : tools,
        chat_template_kwargs: decodeTemplateArguments(body),
      },
      sampling: decodeSampling(body, assignedSeed),
      max_tokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    },
  };
}

/** The whole answer as one object. `events` ends with `finish`. */
export function encodeChatCompletion(head: AnswerHead, events: readonly GenerationEvent[]): ChatCompletion {
  const content = textOf(events, "text");
  const reasoning = textOf(events, "reasoning");
  const calls = events.filter((event) => event.type === "tool_call");
  const finish = events.find((event) => event.type === "finish");
  if (finish === undefined)
    throw new LmxError("internal_error", "The generation ended without a finish reason.");
  const message: ChatCompletion["choices"][number]["message"] = {
    role: "assistant",
    content: content === "" && calls.length > 0 ? null : content,
    refusal: null,
    ...(reasoning !== "" && { reasoning_content: reasoning, reasoning }),
    ...(calls.length > 0 && { tool_calls: calls.map(encodeToolCall) }),
  };
  return {
    id: head.id,
    object: "chat.completion",
    created: head.created,
    model: head.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish.reason }],
    usage: encodeUsage(finish.usage),
  };
}

/** The answer as server-sent events. */
export function chatCompletionStream(head: AnswerHead, includeUsage: boolean): StreamEncoder {
  const chunk = (choices: ChatCompletionChunk["choices"], usage: ChatUsage | null = null): string =>
    frame({
      ...head,
      object: "chat.completion.chunk",
      choices,
      ...(includeUsage && { usage }),
    } satisfies ChatCompletionChunk);
  const delta = (content: Delta): string =>
    chunk([{ index: 0, delta: content, logprobs: null, finish_reason: null }]);
  return {
    open: () => delta({ role: "assistant", content: "" }),
    event(event) {
      switch (event.type) {
        case "text":
          return event.text === "" ? "" : delta({ content: event.text });
        case "reasoning":
          return event.text === "" ? "" : delta({ reasoning_content: event.text, reasoning: event.text });
        case "tool_call":
          return toolCallDeltas(event).map(delta).join("");
        case "finish": {
          const last = chunk([{ index: 0, delta: {}, logprobs: null, finish_reason: event.reason }]);
          return last + (includeUsage ? chunk([], encodeUsage(event.usage)) : "") + DONE;
        }
        default:
          return event satisfies never;
      }
    },
    fail: ({ message, code }) =>
      frame({ error: { message, type: "server_error", param: null, code } }) + DONE,
    keepAlive: () => ": keep-alive\n\n",
  };
}

type Delta = ChatCompletionChunk["choices"][number]["delta"];
type ToolCallEvent = Extract<GenerationEvent, { type: "tool_call" }>;

const DONE = "data: [DONE]\n\n";

function frame(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** Clients start a call at the delta with its id and append what follows to its arguments. */
function toolCallDeltas({ index, id, name, arguments: text }: ToolCallEvent): Delta[] {
  const start: Delta = { tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] };
  return text === "" ? [start] : [start, { tool_calls: [{ index, function: { arguments: text } }] }];
}

function encodeToolCall({ id, name, arguments: text }: ToolCallEvent) {
  return { id, type: "function", function: { name, arguments: text } };
}

function encodeUsage(usage: Usage): ChatUsage {
  return {
    prompt_tokens: usage.prompt_tokens,
    completion_tokens: usage.completion_tokens,
    total_tokens: usage.prompt_tokens + usage.completion_tokens,
    prompt_tokens_details: { cached_tokens: usage.cached_tokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
  };
}

function textOf(events: readonly GenerationEvent[], type: "text" | "reasoning"): string {
  return events.map((event) => (event.type === type ? event.text : "")).join("");
}

function decodeSampling(body: ChatCompletionRequest, assignedSeed: number): Sampling {
  const topP = body.top_p ?? 1;
  const greedy = topP < GREEDY_TOP_P;
  return {
    temperature: greedy ? 0 : (body.temperature ?? 1),
    top_p: greedy ? 1 : topP,
    seed: body.seed == null ? assignedSeed : decodeSeed(body.seed),
  };
}

/** Any 64-bit seed, negative ones too, as one the worker takes; the same seed always gives the same one. */
function decodeSeed(seed: number): number {
  return Number(BigInt.asUintN(53, BigInt(seed)));
}

function decodeTemplateArguments(body: ChatCompletionRequest): Record<string, unknown> {
  const given = body.chat_template_kwargs ?? {};
  const reserved = RESERVED_TEMPLATE_ARGUMENTS.find((name) => Object.hasOwn(given, name));
  if (reserved !== undefined) {
    const param = `chat_template_kwargs.${reserved}`;
    throw new LmxError(
      "unsupported_parameter",
      `${param}: this argument is set by the server; leave it out.`,
      { param },
    );
  }
  return body.reasoning_effort == null ? given : { reasoning_effort: body.reasoning_effort, ...given };
}
