import { z } from "zod";
import { FINISH_REASONS, generationRequestSchema, tokenLogprobSchema, usageSchema } from "./generation.ts";

/**
 * The conversation between supervisor and worker: NDJSON JSON-RPC 2.0 over the worker's private stdin and stdout.
 * docs/worker-protocol.md explains it; shared/transcripts holds golden conversations both sides replay.
 */
export const PROTOCOL_VERSION = 1;

/** A worker's line may not be longer: over it the worker is ended. Bytes. */
export const MAX_WORKER_LINE_BYTES = 8 * 1024 * 1024;
/** A request to the worker may not be longer: over it the client gets 413 and nothing is written. Bytes. */
export const MAX_REQUEST_LINE_BYTES = 32 * 1024 * 1024;

const versionsSchema = z.object({
  python: z.string(),
  mlx: z.string(),
  mlx_lm: z.string(),
  transformers: z.string(),
});

export const initializeParams = z.object({ protocol_version: z.literal(PROTOCOL_VERSION) });
export const initializeResult = z.object({
  protocol_version: z.literal(PROTOCOL_VERSION),
  pid: z.number().int(),
  versions: versionsSchema,
  device: z.string().describe("`cpu` or `gpu`"),
});

/** What one row of a batch keeps in the model's caches, one entry per kind of cache. Bytes. */
export const cacheFootprintSchema = z.object({
  kind: z.string().describe("mlx_lm's class, such as KVCache"),
  layers: z.number().int(),
  fixed_bytes: z.number().int().describe("taken by a row of any length"),
  bytes_per_token: z.number().int().describe("taken by each token up to `window_tokens`"),
  window_tokens: z.number().int().nullable().describe("longer rows take no more; null: no limit"),
});

/** Asked of a worker that is thrown away afterwards: the strict load without a byte of the weights. */
export const inspectParams = z.object({
  model_id: z.string(),
  path: z.string().describe("absolute directory"),
  max_context_tokens: z.number().int().min(1).nullable().describe("null: what the model's config says"),
  tool_parser: z.string().nullable().optional(),
  trust_code: z.boolean().optional().describe("code that comes with the model may run"),
});
/** What a model takes, as its structure tells; the registry keeps it with a pass. */
export const modelStructureSchema = z.object({
  context_tokens: z.number().int(),
  parameters: z.number().int(),
  weights_bytes: z.number().int(),
  caches: z.array(cacheFootprintSchema),
  prefill_bytes: z.number().int().describe("working memory of one prefill chunk, an estimate"),
});
export const inspectResult = modelStructureSchema.extend({
  model_type: z.string(),
  has_chat_template: z.boolean(),
  seconds: z.number(),
});

export const loadParams = z.object({
  model_id: z.string(),
  path: z.string().describe("absolute directory"),
  max_context_tokens: z.number().int().min(1).nullable().describe("null: what the model's config says"),
  trust_code: z.boolean().optional().describe("code that comes with the model may run"),
  cache_budget_bytes: z
    .number()
    .int()
    .min(0)
    .nullable()
    .optional()
    .describe("what the caches of all rows together may take; null: no limit"),
  max_concurrency: z.number().int().min(1),
  tool_parser: z
    .string()
    .nullable()
    .optional()
    .describe("overrides the parser inferred from the chat template"),
});
export const loadResult = z.object({
  model_type: z.string(),
  context_tokens: z.number().int(),
  vocab_size: z.number().int(),
  eos_token_ids: z.array(z.number().int()),
  tool_parser: z.string().nullable(),
  has_thinking: z.boolean(),
  has_chat_template: z.boolean().optional(),
  can_fill: z.boolean().optional().describe("the tokenizer has fill-in-the-middle tokens"),
  caches: z.array(cacheFootprintSchema).optional(),
  max_rows: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe("rows the engine takes at once; only there when they are fewer than `max_concurrency`"),
  memory_bytes: z.number().int(),
  peak_memory_bytes: z.number().int(),
  load_seconds: z.number(),
});

export const canaryParams = z.object({
  prompt: z.string().nullable(),
  max_tokens: z.number().int().min(1).max(64),
});
/** Raw evidence; the verdict is policy/canary.ts. */
export const canaryResult = z.object({
  token_ids: z.array(z.number().int()),
  text: z.string(),
  decodes: z.boolean().describe("the tokens decode to text without replacement characters"),
  finished: z.boolean().describe("the model ended its answer by itself"),
  non_finite_steps: z.number().int().describe("steps whose logits held NaN or infinity"),
  constant_steps: z.number().int().describe("steps whose logits were all equal"),
  seconds: z.number(),
});

/** An owner's name on the wire may not be longer. Characters. */
export const MAX_OWNER_CHARACTERS = 64;

export const generateParams = z.object({
  request_id: z.string(),
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
  prompt_tokens: z.number().int(),
  max_tokens: z.number().int(),
  seed: z.number().int(),
  prompt_text: z.string().optional().describe("only with `return_prompt`"),
});

export const cancelParams = z.object({ request_id: z.string() });
export const cancelResult = z.object({
  cancelled: z.boolean().describe("false: no such request is running"),
});

export const pingResult = z.object({
  pid: z.number().int(),
  steps: z
    .number()
    .int()
    .describe("engine steps and prepared prompts so far: frozen with work in flight means stuck"),
  in_flight: z.number().int(),
});
export const statsResult = z.object({
  pid: z.number().int(),
  steps: z.number().int(),
  in_flight: z.number().int(),
  waiting: z.number().int(),
  generated_tokens: z.number().int(),
  memory_bytes: z.number().int(),
  peak_memory_bytes: z.number().int(),
  cache_memory_bytes: z.number().int(),
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
  loaded_bytes: z.number().int(),
  total_bytes: z.number().int(),
});

export const rowEventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string(), logprobs: z.array(tokenLogprobSchema).optional() }),
  z.object({ type: z.literal("reasoning"), text: z.string() }),
  z.object({
    type: z.literal("tool_call"),
    index: z.number().int(),
    id: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
  z.object({ type: z.literal("finish"), reason: z.enum(FINISH_REASONS), usage: usageSchema }),
  z.object({ type: z.literal("error"), code: z.string(), message: z.string() }),
]);

/** One row of a step: the ids accepted in this step, the completion position of the first of them, and what they mean. */
export const stepRowSchema = z.object({
  request_id: z.string(),
  position: z.number().int().min(0),
  token_ids: z.array(z.number().int()),
  events: z.array(rowEventSchema),
});

/** One line per engine step, for all rows of the batch. */
export const stepSchema = z.object({ step: z.number().int(), rows: z.array(stepRowSchema) });

/** The engine can no longer be trusted (GPU error, failed allocation); the worker exits right after. */
export const fatalSchema = z.object({ cause: z.string(), message: z.string() });

export type ModelStructure = z.infer<typeof modelStructureSchema>;
export type CacheFootprint = z.infer<typeof cacheFootprintSchema>;
export type LoadProgress = z.infer<typeof loadProgressSchema>;
export type RowEvent = z.infer<typeof rowEventSchema>;
export type StepRow = z.infer<typeof stepRowSchema>;
export type Step = z.infer<typeof stepSchema>;
export type Fatal = z.infer<typeof fatalSchema>;
