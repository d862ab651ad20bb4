import { z } from "zod";
import { samplingSchema } from "./generation.ts";

/**
 * The configuration file, its defaults and what each key means. Every key is a flag-free fact of one installation;
 * docs/configuration.md is checked against the descriptions here.
 */
const seconds = (fallback: number, max = 86_400) => z.number().positive().max(max).default(fallback);

export const timeoutsSchema = z.strictObject({
  initialize_seconds: seconds(30).describe("a worker must answer `initialize` within this time"),
  inspect_seconds: seconds(60).describe(
    "the check of a model's structure before its load must end within this time",
  ),
  load_stall_seconds: seconds(120).describe("a load without progress for this long is ended"),
  load_cap_seconds: seconds(600).describe("no load may take longer, progress or not"),
  canary_seconds: seconds(60).describe("the canary must answer within this time"),
  heartbeat_seconds: seconds(5).describe("how often each worker is asked for a sign of life"),
  ping_seconds: seconds(10).describe(
    "a sign of life must come within this time; three misses and the worker is hung",
  ),
  progress_seconds: seconds(120).describe("a worker that has work and makes no step for this long is stuck"),
  hold_seconds: seconds(30, 600).describe("how long a request is held for a model that is coming"),
  drain_seconds: seconds(30, 600).describe(
    "how long running requests may go on when the service or a model is asked to stop",
  ),
});

export const modelSettingsSchema = z.strictObject({
  context_tokens: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe("largest context served; default: what the model's config says"),
  max_concurrency: z
    .number()
    .int()
    .min(1)
    .max(256)
    .default(32)
    .describe("rows decoded together; more requests wait in the worker"),
  chat_template_kwargs: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("arguments for the chat template; a request's own come on top"),
  sampling: samplingSchema
    .omit({ seed: true })
    .partial()
    .strict()
    .optional()
    .describe("sampling options for requests that name none"),
  tool_parser: z
    .string()
    .min(1)
    .optional()
    .describe("mlx_lm's tool parser; default: the one its chat template implies"),
  memory_limit_bytes: z
    .number()
    .int()
    .positive()
    .optional()
    .describe("its worker is ended when it takes more; default: the limit for all models"),
  trust_code: z
    .boolean()
    .default(false)
    .describe("run Python code that comes with this model; read that code first"),
  pinned: z.boolean().default(false).describe("never leaves for being idle or to make room"),
  idle_seconds: z
    .number()
    .positive()
    .optional()
    .describe("unloaded after this long without a request; default: the service's idle_seconds"),
  canary: z
    .strictObject({ prompt: z.string().min(1), expect: z.string().min(1) })
    .optional()
    .describe("a prompt and a regular expression its greedy answer must match"),
});

export const quarantineSchema = z.strictObject({
  failures: z
    .number()
    .int()
    .min(1)
    .default(3)
    .describe("a model is quarantined after this many failures in a row, however far apart"),
  flap_failures: z
    .number()
    .int()
    .min(2)
    .default(10)
    .describe("or after this many within 24 hours, forgiven or not"),
  forgive_seconds: seconds(600).describe(
    "one failure is forgiven for this long in service with a request finished",
  ),
  stay_seconds: seconds(900).describe(
    "the first quarantine; each further one is twice as long, 24 hours at most",
  ),
  probes: z
    .number()
    .int()
    .min(1)
    .default(5)
    .describe("after this many failed tries only an operator releases it"),
  probation_seconds: seconds(600).describe(
    "back from quarantine it serves one request at a time for this long",
  ),
  probation_requests: z.number().int().min(1).default(5).describe("and until it has finished this many"),
});

export const safeModeSchema = z.strictObject({
  unclean_ends: z
    .number()
    .int()
    .min(1)
    .default(3)
    .describe("the service starts in safe mode after it ended this often in a row without being asked to"),
  steady_seconds: seconds(600).describe("a service that stayed up this long ended well enough"),
  within_seconds: seconds(21_600).describe("older ends are forgotten"),
});

export const memorySchema = z.strictObject({
  limit_bytes: z
    .number()
    .int()
    .positive()
    .optional()
    .describe("what all models together may take; default: what the machine has"),
  reserve_bytes: z
    .number()
    .int()
    .min(0)
    .default(1_073_741_824)
    .describe("left free for the rest of the machine"),
  evict: z
    .enum(["never", "idle"])
    .default("never")
    .describe(
      "`idle`: unload idle models, least recently used first, to make room for one that is asked for",
    ),
});

export const blockedRuntimeSchema = z.strictObject({
  signature: z.string().min(1).describe("`model_type`, or mlx_lm's module for it"),
  backend: z.string().min(1).default("mlx-lm").describe("the only one so far"),
  versions: z.string().default("").describe("PEP 440 range of the backend's versions; empty: all"),
  reason: z.string().min(1).describe("what goes wrong; stands in the refusal"),
  evidence: z.string().min(1).describe("where that is known from"),
});

export const advisorySchema = z.strictObject({
  id: z.string().min(1).describe("its name, in checks and logs"),
  package: z.enum(["mlx", "mlx-lm"]).describe("whose versions `range` means"),
  range: z.string().default("").describe("PEP 440; empty: every version"),
  models: z.array(z.string().min(1)).optional().describe("model ids, `*` stands for anything; default: all"),
  level: z.enum(["warn", "refuse"]).default("warn").describe("`refuse`: such a model is not loaded"),
  summary: z.string().min(1).describe("what goes wrong"),
  source: z.string().min(1).describe("where that is known from"),
});

export const clientsSchema = z.strictObject({
  upload_bytes_per_second: z
    .number()
    .int()
    .min(0)
    .default(2_048)
    .describe("a body that comes slower is refused; 0: however slow"),
  upload_grace_seconds: seconds(10, 300).describe("the time over which that is measured, again and again"),
  unread_seconds: seconds(30, 3_600).describe("a stream of which nothing is read for this long is ended"),
  unread_seconds_when_waited_for: seconds(5, 3_600).describe(
    "the same while another client waits for the model",
  ),
});

export const configSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .default("127.0.0.1")
    .describe("address to listen on; anything but loopback needs a key"),
  port: z.number().int().min(0).max(65_535).default(1234).describe("port to listen on; 0 picks a free one"),
  max_connections: z
    .number()
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "clients' connections at once; null: as many as the limit of open files leaves room for, 4096 at most",
    ),
  clients: clientsSchema.prefault({}).describe("how patient the service is with slow clients"),
  api_keys: z
    .array(z.string().min(8))
    .default([])
    .describe("keys for inference, sent as `Authorization: Bearer` or `X-API-Key`"),
  admin_keys: z.array(z.string().min(8)).default([]).describe("keys for `/admin`, sent as `X-Admin-Key`"),
  allowed_origins: z.array(z.string()).default([]).describe("browser origins allowed to call `/v1` (CORS)"),
  trusted_proxy: z
    .boolean()
    .default(false)
    .describe(
      "answer requests that come through a proxy (`Forwarded`, `Via`, `X-Forwarded-…`, `X-Real-IP`) also where no key is configured; the proxy must then keep strangers out",
    ),
  model_roots: z.array(z.string()).default([]).describe("more directories with `<org>/<name>` model folders"),
  huggingface_cache: z
    .union([z.boolean(), z.string().min(1)])
    .default(true)
    .describe(
      "also serve models from the Hugging Face cache: true for the usual one (HF_HUB_CACHE, HF_HOME), a path for another",
    ),
  lm_studio: z
    .union([z.boolean(), z.string().min(1)])
    .default(true)
    .describe("also serve models from LM Studio's folder: true for the usual ones, a path for another"),
  aliases: z.record(z.string(), z.string()).default({}).describe("other names for models: alias to model id"),
  models: z.record(z.string(), modelSettingsSchema).default({}).describe("settings of single models, by id"),
  auto_load: z.array(z.string()).default(["lmx-demo"]).describe("models loaded at start, in this order"),
  load_on_request: z
    .enum(["proven", "always", "never"])
    .default("proven")
    .describe(
      "may a request start a model that nobody loaded: only one proven on this runtime, any, or none",
    ),
  preload_openblas: z
    .boolean()
    .default(true)
    .describe("Linux: preload the system's OpenBLAS into workers when there is one"),
  spare_worker: z
    .boolean()
    .default(true)
    .describe("keep one worker with its imports done, for the next load or restart; takes about 150 MB"),
  idle_seconds: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("a model is unloaded after this long without a request; null: never"),
  memory: memorySchema.prefault({}).describe("how much memory models may take"),
  quarantine: quarantineSchema
    .prefault({})
    .describe("when a failing model is kept out, and how it comes back"),
  safe_mode: safeModeSchema
    .prefault({})
    .describe("when the service starts without models after a crash loop"),
  runtime_blocklist: z
    .array(blockedRuntimeSchema)
    .nullable()
    .default(null)
    .describe("architectures refused on a runtime; null: the built-in list"),
  advisories: z
    .array(advisorySchema)
    .default([])
    .describe("known-bad versions and models, besides the built-in list"),
  timeouts: timeoutsSchema.prefault({}).describe("time limits in seconds"),
  log_level: z
    .enum(["trace", "debug", "info", "warn", "error", "silent"])
    .default("info")
    .describe("lowest level that is logged"),
});

export type Config = z.infer<typeof configSchema>;
export type Timeouts = z.infer<typeof timeoutsSchema>;
export type ModelSettings = z.infer<typeof modelSettingsSchema>;
