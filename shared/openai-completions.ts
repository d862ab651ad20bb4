import { z } from "zod";
import { boundedList } from "./bounded-list.ts";
import { generationOptions, modelName, usageSchema } from "./openai-options.ts";

/** More prompts than this in one request are better sent in several. */
const MAX_PROMPTS = 128;

/** As many as the longest contexts of today hold. */
const MAX_TOKEN_IDS = 2 ** 20;

/** The range of ids any tokeniser has; the worker knows the model's own. */
const tokenIds = boundedList(
  z
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1),
  MAX_TOKEN_IDS,
);

/** Body of `POST /v1/completions`. */
export const completionRequestSchema = z
  .object({
    model: modelName,
    prompt: z
      .union([
        z.string(),
        boundedList(z.string(), MAX_PROMPTS).min(1),
        tokenIds.min(1),
        boundedList(tokenIds, MAX_PROMPTS).min(1),
      ])
      .describe("a text, token ids, or a list of either"),
    suffix: z
      .string()
      .nullish()
      .describe("the text after the answer; for models with fill-in-the-middle tokens"),
    max_tokens: z.number().int().min(1).nullish().describe("default 16; clamped to the context"),
    echo: z.boolean().nullish().describe("the answer begins with the prompt; not together with `logprobs`"),
    logprobs: z
      .number()
      .int()
      .min(0)
      .max(20)
      .nullish()
      .describe("log probabilities, with so many alternatives per token"),
    best_of: z.number().int().nullish().describe("only the value of `n`"),
    ...generationOptions,
  })
  .meta({ id: "CompletionRequest" });

const completionLogprobsSchema = z
  .object({
    tokens: z.array(z.string()),
    token_logprobs: z.array(z.number()),
    top_logprobs: z.array(z.record(z.string(), z.number())).describe("the chosen token is always among them"),
    text_offset: z.array(z.number().int()).describe("where the token begins in `text`, in characters"),
  })
  .meta({ id: "CompletionLogprobs" });

const choice = {
  index: z.number().int().describe("answers of the first prompt come first"),
  text: z.string(),
  logprobs: completionLogprobsSchema.nullable(),
};

const finishReasonSchema = z.enum(["stop", "length", "content_filter"]);

const head = {
  id: z.string(),
  object: z.literal("text_completion"),
  created: z.number().int().describe("seconds since 1970"),
  model: z.string().describe("as requested"),
};

/** Answer of `POST /v1/completions` without `stream`. */
export const completionSchema = z
  .object({
    ...head,
    choices: z.array(z.object({ ...choice, finish_reason: finishReasonSchema })),
    usage: usageSchema,
  })
  .meta({ id: "Completion" });

/** One `data:` frame of a streamed answer. */
export const completionChunkSchema = z
  .object({
    ...head,
    choices: z.array(z.object({ ...choice, finish_reason: finishReasonSchema.nullable() })),
    usage: usageSchema.nullable().optional().describe("only with stream_options.include_usage"),
  })
  .meta({ id: "CompletionChunk" });

export type CompletionRequest = z.infer<typeof completionRequestSchema>;
export type Completion = z.infer<typeof completionSchema>;
export type CompletionChunk = z.infer<typeof completionChunkSchema>;
export type CompletionLogprobs = z.infer<typeof completionLogprobsSchema>;
