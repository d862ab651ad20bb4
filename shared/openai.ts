import { z } from "zod";
import { modelCapabilitiesSchema } from "./admin.ts";
import { boundedList } from "./bounded-list.ts";
import { hasFewMembers, tooManyMembers } from "./bounded-members.ts";
import { generationOptions, modelName, usageSchema } from "./openai-options.ts";

/**
 * The OpenAI HTTP shapes: what clients may send and what they get back. Unknown request fields are dropped.
 * A field listed here may still be refused: the dialects know what the engine can do.
 */

/** The longest conversations that agents hold have some thousands of turns. */
const MAX_MESSAGES = 20_000;
const MAX_PARTS = 10_000;
const MAX_CALLS = 1_000;
const MAX_TOOLS = 2_000;

const contentPartSchema = z
  .looseObject({ type: z.string(), text: z.string().nullish(), refusal: z.string().nullish() })
  .meta({
    id: "ContentPart",
    description: '`{"type": "text", "text": ...}`; other kinds are refused, this server is text-only',
  });

const toolCallSchema = z
  .object({
    id: z.string(),
    type: z.string().nullish(),
    function: z.object({ name: z.string(), arguments: z.string().describe("JSON text") }),
  })
  .meta({ id: "ToolCall" });

const messageSchema = z
  .object({
    role: z.enum(["system", "developer", "user", "assistant", "tool"]),
    content: z.union([z.string(), boundedList(contentPartSchema, MAX_PARTS)]).nullish(),
    name: z.string().nullish(),
    reasoning_content: z.string().nullish(),
    reasoning: z.string().nullish(),
    tool_calls: boundedList(toolCallSchema, MAX_CALLS).nullish(),
    tool_call_id: z.string().nullish(),
  })
  .meta({ id: "ChatMessage" });

const toolSchema = z
  .object({
    type: z.string(),
    function: z
      .object({
        name: z.string().min(1),
        description: z.string().nullish(),
        parameters: z.record(z.string(), z.unknown()).nullish(),
      })
      .nullish(),
  })
  .meta({ id: "Tool" });

/** Body of `POST /v1/chat/completions`. */
export const chatCompletionRequestSchema = z
  .object({
    model: modelName,
    messages: boundedList(messageSchema, MAX_MESSAGES).min(1).describe("the conversation, oldest turn first"),
    max_completion_tokens: z
      .number()
      .int()
      .min(1)
      .nullish()
      .describe("default and limit: what fits into the context"),
    max_tokens: z.number().int().min(1).nullish().describe("older name; max_completion_tokens wins"),
    ...generationOptions,
    logprobs: z
      .boolean()
      .nullish()
      .describe("log probabilities of the answer's text, not of its reasoning or calls"),
    top_logprobs: z
      .number()
      .int()
      .min(0)
      .max(20)
      .nullish()
      .describe("alternatives per token; needs `logprobs`"),
    tools: boundedList(toolSchema, MAX_TOOLS).nullish().describe("functions the model may call"),
    tool_choice: z
      .union([z.string(), z.looseObject({ type: z.string() })])
      .nullish()
      .describe("`auto`, or `none`: the model does not hear of the tools"),
    parallel_tool_calls: z.boolean().nullish().describe("false: the answer ends with its first call"),
    chat_template_kwargs: z
      .record(z.string(), z.unknown())
      .refine(hasFewMembers, tooManyMembers)
      .nullish()
      .describe("arguments for the chat template, on top of the configured ones"),
    reasoning_effort: z
      .enum(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
      .nullish()
      .describe("given to the chat template, which may know it"),
    response_format: z.looseObject({ type: z.string() }).nullish().describe("`text` only"),
    functions: boundedList(z.unknown(), MAX_TOOLS).nullish(),
    function_call: z.unknown().optional(),
    modalities: z.array(z.string()).nullish(),
    audio: z.unknown().optional(),
    web_search_options: z.unknown().optional(),
  })
  .meta({ id: "ChatCompletionRequest" });

const chatTokenSchema = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number().int()),
});

const chatLogprobsSchema = z
  .object({
    content: z.array(chatTokenSchema.extend({ top_logprobs: z.array(chatTokenSchema) })),
    refusal: z.null(),
  })
  .meta({ id: "ChatLogprobs" });

const finishReasonSchema = z.enum(["stop", "length", "tool_calls", "content_filter"]);

/** Answer of `POST /v1/chat/completions` without `stream`. */
export const chatCompletionSchema = z
  .object({
    id: z.string(),
    object: z.literal("chat.completion"),
    created: z.number().int().describe("seconds since 1970"),
    model: z.string().describe("as requested"),
    choices: z.array(
      z.object({
        index: z.number().int(),
        message: z.object({
          role: z.literal("assistant"),
          content: z.string().nullable(),
          refusal: z.null(),
          reasoning_content: z.string().optional(),
          reasoning: z.string().optional(),
          tool_calls: z.array(toolCallSchema).optional(),
        }),
        logprobs: chatLogprobsSchema.nullable(),
        finish_reason: finishReasonSchema,
      }),
    ),
    usage: usageSchema,
  })
  .meta({ id: "ChatCompletion" });

const toolCallDeltaSchema = z.object({
  index: z.number().int(),
  id: z.string().optional(),
  type: z.literal("function").optional(),
  function: z.object({ name: z.string().optional(), arguments: z.string() }),
});

/** One `data:` frame of a streamed answer. */
export const chatCompletionChunkSchema = z
  .object({
    id: z.string(),
    object: z.literal("chat.completion.chunk"),
    created: z.number().int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.number().int(),
        delta: z.object({
          role: z.literal("assistant").optional(),
          content: z.string().optional(),
          reasoning_content: z.string().optional(),
          reasoning: z.string().optional(),
          tool_calls: z.array(toolCallDeltaSchema).optional(),
        }),
        logprobs: chatLogprobsSchema.nullable(),
        finish_reason: finishReasonSchema.nullable(),
      }),
    ),
    usage: usageSchema.nullable().optional().describe("only with stream_options.include_usage"),
  })
  .meta({ id: "ChatCompletionChunk" });

/** One entry of `GET /v1/models`; `state`, `context_length` and `capabilities` are additions to OpenAI's shape. */
export const openaiModelSchema = z
  .object({
    id: z.string(),
    object: z.literal("model"),
    created: z.number().int(),
    owned_by: z.string(),
    state: z.string().describe("readiness state; only `routable` models answer at once"),
    context_length: z.number().int().nullable(),
    capabilities: modelCapabilitiesSchema.nullable().describe("known once loaded, else null"),
  })
  .meta({ id: "Model" });

export const openaiModelListSchema = z
  .object({ object: z.literal("list"), data: z.array(openaiModelSchema) })
  .meta({ id: "ModelList" });

/** Every error reply outside the Anthropic routes; all four keys are always there. */
export const errorEnvelopeSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string(),
      details: z.record(z.string(), z.unknown()).nullable().optional().describe("admin routes only"),
    }),
  })
  .meta({ id: "Error" });

export type ChatCompletionRequest = z.infer<typeof chatCompletionRequestSchema>;
export type ChatCompletion = z.infer<typeof chatCompletionSchema>;
export type ChatCompletionChunk = z.infer<typeof chatCompletionChunkSchema>;
export type ChatLogprobs = z.infer<typeof chatLogprobsSchema>;
export type OpenaiModel = z.infer<typeof openaiModelSchema>;
export type ErrorEnvelope = z.infer<typeof errorEnvelopeSchema>;
