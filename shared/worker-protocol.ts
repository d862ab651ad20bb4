import { z } from "zod";
import { FINISH_REASONS, generationRequestSchema, tokenLogprobSchema, usageSchema } from "./generation.ts";
import { plainText } from "./plain-text.ts";
import {
  MAX_CACHE_KINDS,
  MAX_CALL_ID_CHARACTERS,
  MAX_CANARY_CHARACTERS,
  MAX_CANARY_TOKENS,
  MAX_COUNT,
  MAX_END_TOKENS,
  MAX_ERROR_CHARACTERS,
  MAX_EVENT_LOGPROBS,
  MAX_MEMORY_BYTES,
  MAX_NAME_CHARACTERS,
  MAX_PATH_CHARACTERS,
  MAX_ROW_EVENTS,
  MAX_ROW_TOKENS,
  MAX_SECONDS,
  MAX_STEP_ROWS,
  MAX_TOOL_NAME_CHARACTERS,
  MAX_VERSION_CHARACTERS,
  MAX_WORD_CHARACTERS,
  MAX_WORKER_LINE_BYTES,
} from "./wire-limits.ts";

/**
 * The conversation between supervisor and worker: NDJSON JSON-RPC 2.0 over the worker's private stdin and stdout.
 * docs/worker-protocol.md explains it; shared/transcripts holds golden conversations both sides replay.
 */
export const PROTOCOL_VERSION = 1;

/** What ends up in lists, logs and labels: on one line, without what could steer a terminal. */
function plainSchema(mostCharacters: number) {
  return z
    .string()
    .max(mostCharacters)
    .overwrite((text) => plainText(text, mostCharacters));
}

const wordSchema = plainSchema(MAX_WORD_CHARACTERS);
const nameSchema = plainSchema(MAX_NAME_CHARACTERS);
const versionSchema = plainSchema(MAX_VERSION_CHARACTERS);
const errorTextSchema = plainSchema(MAX_ERROR_CHARACTERS);
const pathSchema = z.string().max(MAX_PATH_CHARACTERS);
const requestIdSchema = z.string().max(MAX_WORD_CHARACTERS);
/** What a model writes: nothing but its line bounds it. */
const textSchema = z.string().max(MAX_WORKER_LINE_BYTES);
/** How many of something that fits into a machine. */
const countSchema = z.number().int().min(0).max(MAX_COUNT);
/** What was counted since the process began, or follows from what a stranger's config.json claims. */
const tallySchema = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const memorySchema = z.number().int().min(0).max(MAX_MEMORY_BYTES);
const secondsSchema = z.number().min(0).max(MAX_SECONDS);
const tokenIdSchema = countSchema;
const pidSchema = z.number().int().min(1).max(MAX_COUNT);

const versionsSchema = z.object({
  python: versionSchema,
  mlx: versionSchema,
  mlx_lm: versionSchema,
  transformers: versionSchema,
});

export const initializeParams = z.object({ protocol_version: z.literal(PROTOCOL_VERSION) });
export const initializeResult = z.object({
  protocol_version: z.literal(PROTOCOL_VERSION),
  pid: pidSchema,
  versions: versionsSchema,
  device: wordSchema.describe("`cpu` or `gpu`"),
});

/** What one row of a batch keeps in the model's caches, one entry per kind of cache. Bytes. */
export const cacheFootprintSchema = z.object({
  kind: nameSchema.describe("mlx_lm's class, such as KVCache"),
  layers: countSchema,
  fixed_bytes: tallySchema.describe("taken by a row of any length"),
  bytes_per_token: tallySchema.describe("taken by each token up to `window_tokens`"),
  window_tokens: tallySchema.nullable().describe("longer rows take no more; null: no limit"),
});

/** Asked of a worker that is thrown away afterwards: the strict load without a byte of the weights. */
export const inspectParams = z.object({
  model_id: pathSchema,
  path: pathSchema.describe("absolute directory"),
  max_context_tokens: tallySchema.min(1).nullable().describe("null: what the model's config says"),
  tool_parser: nameSchema.nullable().optional(),
  trust_code: z.boolean().optional().describe("code that comes with the model may run"),
});
/** What a model takes, as its structure tells; the registry keeps it with a pass. */
export const modelStructureSchema = z.object({
  context_tokens: tallySchema,
  parameters: tallySchema,
  weights_bytes: tallySchema,
  caches: z.array(cacheFootprintSchema).max(MAX_CACHE_KINDS),
  prefill_bytes: tallySchema.describe("working memory of one prefill chunk, an estimate"),
});
export const inspectResult = modelStructureSchema.extend({
  model_type: nameSchema,
  has_chat_template: z.boolean(),
  seconds: secondsSchema,
});

export const loadParams = z.object({
  model_id: pathSchema,
  path: pathSchema.describe("absolute directory"),
  max_context_tokens: tallySchema.min(1).nullable().describe("null: what the model's config says"),
  trust_code: z.boolean().optional().describe("code that comes with the model may run"),
  cache_budget_bytes: tallySchema
    .nullable()
    .optional()
    .describe("what the caches of all rows together may take; null: no limit"),
  max_concurrency: countSchema.min(1),
  tool_parser: nameSchema
    .nullable()
    .optional()
    .describe("overrides the parser inferred from the chat template"),
});
export const loadResult = z.object({
  model_type: nameSchema,
  context_tokens: tallySchema,
  vocab_size: countSchema,
  eos_token_ids: z.array(tokenIdSchema).max(MAX_END_TOKENS),
  tool_parser: nameSchema.nullable(),
  has_thinking: z.boolean(),
  has_chat_template: z.boolean().optional(),
  can_fill: z.boolean().optional().describe("the tokenizer has fill-in-the-middle tokens"),
  caches: z.array(cacheFootprintSchema).max(MAX_CACHE_KINDS).optional(),
  max_rows: countSchema
    .min(1)
    .optional()
    .describe("rows the engine takes at once; only there when they are fewer than `max_concurrency`"),
  memory_bytes: memorySchema,
  peak_memory_bytes: memorySchema,
  load_seconds: secondsSchema,
});

export const canaryParams = z.object({
  prompt: textSchema.nullable(),
  max_tokens: z.number().int().min(1).max(MAX_CANARY_TOKENS),
});
/** Raw evidence; the verdict is policy/watch/canary.ts. */
export const canaryResult = z.object({
  token_ids: z.array(tokenIdSchema).max(MAX_CANARY_TOKENS),
  text: z.string().max(MAX_CANARY_CHARACTERS),
  decodes: z.boolean().describe("the tokens decode to text without replacement characters"),
  finished: z.boolean().describe("the model ended its answer by itself"),
  non_finite_steps: countSchema.describe("steps whose logits held NaN or infinity"),
  constant_steps: countSchema.describe("steps whose logits were all equal"),
  seconds: secondsSchema,
});

/** An owner's name on the wire may not be longer. Characters. */
export const MAX_OWNER_CHARACTERS = 64;

export const generateParams = z.object({
  request_id: requestIdSchema,
  request: generationRequestSchema,
  owner: z
    .string()
    .max(MAX_OWNER_CHARACTERS)
    .optional()
    .describe(
      "whose turn it is when requests wait, an opaque name; absent: all such requests are one owner's",
    ),
});
/** Sent when the request is tokenised, checked and queued: from here on the HTTP status may be 200. */
export const generateResult = z.object({
  prompt_tokens: tallySchema,
  max_tokens: tallySchema,
  seed: tallySchema,
  prompt_text: textSchema.optional().describe("only with `return_prompt`"),
});

export const cancelParams = z.object({ request_id: requestIdSchema });
export const cancelResult = z.object({
  cancelled: z.boolean().describe("false: no such request is running"),
});

export const pingResult = z.object({
  pid: pidSchema,
  steps: tallySchema.describe(
    "engine steps and prepared prompts so far: frozen with work in flight means stuck",
  ),
  in_flight: countSchema,
});
export const statsResult = z.object({
  pid: pidSchema,
  steps: tallySchema,
  in_flight: countSchema,
  waiting: countSchema,
  generated_tokens: tallySchema,
  memory_bytes: memorySchema,
  peak_memory_bytes: memorySchema,
  cache_memory_bytes: memorySchema,
});
const empty = z.object({});

/** Every request the supervisor may send, with what it carries and what comes back. */
export const WORKER_METHODS = {
  initialize: { params: initializeParams, result: initializeResult },
  inspect: { params: inspectParams, result: inspectResult },
  load: { params: loadParams, result: loadResult },
  canary: { params: canaryParams, result: canaryResult },
  generate: { params: generateParams, result: generateResult },
  cancel: { params: cancelParams, result: cancelResult },
  ping: { params: empty, result: pingResult },
  stats: { params: empty, result: statsResult },
  shutdown: { params: empty, result: empty },
} as const;

export type WorkerMethod = keyof typeof WORKER_METHODS;
export type MethodParams<M extends WorkerMethod> = z.infer<(typeof WORKER_METHODS)[M]["params"]>;
export type MethodResult<M extends WorkerMethod> = z.infer<(typeof WORKER_METHODS)[M]["result"]>;

export const loadProgressSchema = z.object({
  phase: z.enum(["config", "weights", "tokenizer", "warmup"]),
  loaded_bytes: tallySchema,
  total_bytes: tallySchema,
});

export const rowEventSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("text"),
    text: textSchema,
    logprobs: z.array(tokenLogprobSchema).max(MAX_EVENT_LOGPROBS).optional(),
  }),
  z.object({ type: z.literal("reasoning"), text: textSchema }),
  z.object({
    type: z.literal("tool_call"),
    index: countSchema,
    id: z.string().max(MAX_CALL_ID_CHARACTERS),
    name: z.string().max(MAX_TOOL_NAME_CHARACTERS),
    arguments: textSchema,
  }),
  z.object({ type: z.literal("finish"), reason: z.enum(FINISH_REASONS), usage: usageSchema }),
  z.object({ type: z.literal("error"), code: wordSchema, message: errorTextSchema }),
]);

/** The worker begins to render and tokenise a request; null: it is through with one that was cancelled meanwhile. */
export const preparingSchema = z.object({ request_id: requestIdSchema.nullable() });

/** One row of a step: the ids accepted in this step, the completion position of the first of them, and what they mean. */
export const stepRowSchema = z.object({
  request_id: requestIdSchema,
  position: countSchema,
  token_ids: z.array(tokenIdSchema).max(MAX_ROW_TOKENS),
  events: z.array(rowEventSchema).max(MAX_ROW_EVENTS),
});

/** One line per engine step, for all rows of the batch. */
export const stepSchema = z.object({ step: tallySchema, rows: z.array(stepRowSchema).max(MAX_STEP_ROWS) });

/** The engine can no longer be trusted (GPU error, failed allocation); the worker exits right after. */
export const fatalSchema = z.object({ cause: wordSchema, message: errorTextSchema });

export type ModelStructure = z.infer<typeof modelStructureSchema>;
export type CacheFootprint = z.infer<typeof cacheFootprintSchema>;
export type LoadProgress = z.infer<typeof loadProgressSchema>;
export type RowEvent = z.infer<typeof rowEventSchema>;
export type StepRow = z.infer<typeof stepRowSchema>;
export type Step = z.infer<typeof stepSchema>;
export type Fatal = z.infer<typeof fatalSchema>;
