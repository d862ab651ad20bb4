import { z } from "zod";
import { hasFewMembers, tooManyMembers } from "./bounded-members.ts";
import {
  MAX_ALTERNATIVES,
  MAX_COUNT,
  MAX_LOGPROB,
  MAX_PROMPT_TOKENS,
  MAX_REQUEST_LINE_BYTES,
  MAX_REQUEST_LIST,
  MAX_TOKEN_BYTES,
  MAX_TOKEN_CHARACTERS,
} from "./wire-limits.ts";

/**
 * The neutral request and events between every HTTP dialect and every worker. Field names are those on the wire
 * to the worker, so nothing is mapped twice.
 */

/** Text of a client's request: HTTP has caps for it, here the request's line has one for all of it. */
const requestTextSchema = z.string().max(MAX_REQUEST_LINE_BYTES);
const countSchema = z.number().int().min(0).max(MAX_COUNT);

/** An object whose members a client names. */
const requestMembersSchema = z.record(z.string(), z.unknown()).refine(hasFewMembers, tooManyMembers);

const toolCallSchema = z.object({
  id: requestTextSchema,
  type: z.literal("function"),
  function: z.object({ name: requestTextSchema, arguments: requestTextSchema.describe("JSON text") }),
});

/** One turn of a conversation; content is plain text here, dialects flatten their parts. */
export const chatMessageSchema = z.object({
  role: z.enum(["system", "user", "assistant", "tool"]),
  content: requestTextSchema,
  name: requestTextSchema.optional(),
  reasoning_content: requestTextSchema.optional(),
  tool_calls: z.array(toolCallSchema).max(MAX_REQUEST_LIST).optional(),
  tool_call_id: requestTextSchema.optional(),
});

/** A function the model may call, in the shape chat templates expect. */
export const toolSchema = z.object({
  type: z.literal("function"),
  function: z.object({
    name: requestTextSchema,
    description: requestTextSchema.optional(),
    parameters: requestMembersSchema.optional(),
  }),
});

export const promptSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("messages"),
    messages: z.array(chatMessageSchema).min(1).max(MAX_REQUEST_LIST),
    tools: z.array(toolSchema).max(MAX_REQUEST_LIST),
    chat_template_kwargs: requestMembersSchema,
  }),
  z.object({ kind: z.literal("text"), text: requestTextSchema }),
  z.object({ kind: z.literal("fill"), prefix: requestTextSchema, suffix: requestTextSchema }),
  z.object({ kind: z.literal("token_ids"), token_ids: z.array(z.number().int()).max(MAX_PROMPT_TOKENS) }),
]);

/**
 * Sampling options; every value is checked by the dialect and again by the worker before the engine sees it. An
 * absent option is off. The ranges are those inside which no option raises or corrupts a step of the engine.
 */
export const samplingSchema = z.object({
  temperature: z.number().min(0).max(2).describe("0 = greedy"),
  top_p: z.number().gt(0).max(1),
  seed: z
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .describe("the key of a step is a function of (seed, position)"),
  top_k: z.number().int().min(0).optional().describe("0 = off; more than the vocabulary is the vocabulary"),
  min_p: z.number().min(0).max(1).optional(),
  xtc_probability: z.number().min(0).max(1).optional(),
  xtc_threshold: z.number().min(0).max(0.5).optional(),
  repetition_penalty: z.number().gt(0).max(10).optional().describe("1 = off"),
  repetition_context_size: z.number().int().min(1).max(100_000).optional().describe("tokens it looks back"),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  logit_bias: z
    .record(z.string().regex(/^\d{1,9}$/), z.number().min(-100).max(100))
    .refine(hasFewMembers, tooManyMembers)
    .optional()
    .describe("token id to bias; an id beyond the vocabulary is refused by the worker"),
});

export const generationRequestSchema = z.object({
  prompt: promptSchema,
  sampling: samplingSchema,
  max_tokens: z.number().int().min(1).nullable().describe("null: as many as the context holds"),
  stop: z
    .array(z.string().min(1).max(1000))
    .max(16)
    .optional()
    .describe("texts that end the answer, not part of it"),
  logprobs: z
    .number()
    .int()
    .min(0)
    .max(MAX_ALTERNATIVES)
    .optional()
    .describe("alternatives per token; absent: no log probabilities"),
  return_prompt: z.boolean().optional().describe("answer with the prompt as text, for `echo`"),
});

const tokenSchema = z.object({
  token_id: countSchema,
  token: z.string().max(MAX_TOKEN_CHARACTERS),
  bytes: z.array(z.number().int().min(0).max(255)).max(MAX_TOKEN_BYTES),
  logprob: z.number().min(-MAX_LOGPROB).max(MAX_LOGPROB),
});

/** One generated token and what else could have stood there. Log probabilities are of the model, before sampling options. */
export const tokenLogprobSchema = tokenSchema.extend({ top: z.array(tokenSchema).max(MAX_ALTERNATIVES) });

export const usageSchema = z.object({
  prompt_tokens: countSchema,
  completion_tokens: countSchema,
  cached_tokens: countSchema,
  reasoning_tokens: countSchema,
});

export const FINISH_REASONS = ["stop", "length", "tool_calls"] as const;

export type ChatMessage = z.infer<typeof chatMessageSchema>;
export type Tool = z.infer<typeof toolSchema>;
export type Prompt = z.infer<typeof promptSchema>;
export type Sampling = z.infer<typeof samplingSchema>;
export type GenerationRequest = z.infer<typeof generationRequestSchema>;
export type TokenLogprob = z.infer<typeof tokenLogprobSchema>;
export type Usage = z.infer<typeof usageSchema>;
export type FinishReason = (typeof FINISH_REASONS)[number];

/** What a running generation tells its reader, in order; `finish` or a thrown LmxError is the last thing it says. */
export type GenerationEvent =
  | { readonly type: "text"; readonly text: string; readonly logprobs?: readonly TokenLogprob[] | undefined }
  | { readonly type: "reasoning"; readonly text: string }
  | {
      readonly type: "tool_call";
      readonly index: number;
      readonly id: string;
      readonly name: string;
      readonly arguments: string;
    }
  | { readonly type: "finish"; readonly reason: FinishReason; readonly usage: Usage };
