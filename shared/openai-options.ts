import { z } from "zod";
import { hasFewMembers, tooManyMembers } from "./bounded-members.ts";

/** What Chat Completions and Completions have in common: options of a generation, token accounting, finish reasons. */

/** Bounds of a signed 64-bit integer, which is what OpenAI takes as a seed. */
const INT64_MIN = -(2 ** 63);
const INT64_MAX = 2 ** 63;

/** More answers than this to one request are better asked for one by one. */
export const MAX_CHOICES_PER_PROMPT = 8;

/** The longest names of models are paths of two hundred characters. */
export const modelName = z.string().min(1).max(512).describe("model id or alias");

const stopText = z.string().max(1000);

/** Options of the request body that both endpoints take. */
export const generationOptions = {
  stream: z.boolean().nullish().describe("answer as server-sent events"),
  stream_options: z
    .object({ include_usage: z.boolean().nullish().describe("a last chunk with the usage") })
    .nullish()
    .describe("`include_usage`: a chunk with the usage before `[DONE]`; other keys are ignored"),
  user: z
    .string()
    .nullish()
    .describe("whom the request is for; without keys requests of different users take turns"),
  n: z.number().int().min(1).max(MAX_CHOICES_PER_PROMPT).nullish().describe("answers per prompt"),
  stop: z
    .union([stopText, z.array(stopText).max(16)])
    .nullish()
    .describe("texts that end the answer and are not part of it, 16 at most; empty ones are ignored"),
  seed: z
    .number()
    .min(INT64_MIN)
    .max(INT64_MAX)
    .refine(Number.isInteger, "expected an integer")
    .nullish()
    .meta({
      type: ["integer", "null"],
      description: "same seed, same answer; answer `i` of `n` has the seed plus `i`",
    }),
  temperature: z.number().min(0).max(2).nullish().describe("0: the likeliest token always; default 1"),
  top_p: z.number().min(0).max(1).nullish().describe("0 is the same as temperature 0; default 1"),
  top_k: z.number().int().min(-1).nullish().describe("the likeliest so many tokens only; 0 and -1: all"),
  min_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe("tokens at least this likely, relative to the likeliest"),
  xtc_probability: z.number().min(0).max(1).nullish().describe("how often the likeliest tokens are left out"),
  xtc_threshold: z
    .number()
    .min(0)
    .max(0.5)
    .nullish()
    .describe("from which probability on XTC leaves out; default 0.1"),
  repetition_penalty: z
    .number()
    .gt(0)
    .max(10)
    .nullish()
    .describe("over 1: tokens that were there become less likely; 1: off"),
  repetition_context_size: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .nullish()
    .describe("how many tokens the repetition penalty looks back; default 20"),
  presence_penalty: z
    .number()
    .min(-2)
    .max(2)
    .nullish()
    .describe("taken off the score of the last 20 tokens, prompt included"),
  frequency_penalty: z
    .number()
    .min(-2)
    .max(2)
    .nullish()
    .describe("the same for each time it is among the last 20"),
  logit_bias: z
    .record(
      z.string().regex(/^(0|[1-9]\d{0,8})$/, "expected a token id as key"),
      z.number().min(-100).max(100),
    )
    .refine(hasFewMembers, tooManyMembers)
    .nullish()
    .describe("token id to bias; an id beyond the vocabulary is refused"),
};

export const usageSchema = z
  .object({
    prompt_tokens: z.number().int().describe("each prompt once, however many answers it got"),
    completion_tokens: z.number().int(),
    total_tokens: z.number().int(),
    prompt_tokens_details: z.object({ cached_tokens: z.number().int() }),
    completion_tokens_details: z.object({ reasoning_tokens: z.number().int() }),
  })
  .meta({ id: "Usage" });

const generationOptionsSchema = z.object(generationOptions);

export type GenerationOptions = z.infer<typeof generationOptionsSchema>;
export type OpenaiUsage = z.infer<typeof usageSchema>;
