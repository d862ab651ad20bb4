import { z } from "zod";
import { readinessSchema } from "./readiness.ts";
import { REGISTRY_OUTCOMES, registryEntrySchema } from "./registry.ts";

const auditReasonSchema = z.string().max(1_000).nullish().describe("why; stands in the audit trail");

/** Shapes of the admin API that others script against: keys may be added, these stay. */
export const checkSchema = z
  .object({
    name: z.string(),
    status: z.enum(["pass", "warn", "fail"]),
    detail: z.string().describe("what was found"),
    expected: z.string().nullish().describe("what would have passed"),
    next_step: z.string().nullish().describe("what to do about it"),
  })
  .meta({ id: "Check" });

export const workerInfoSchema = z.object({
  pid: z.number().int(),
  started_at: z.iso.datetime(),
  backend_version: z.string().nullable(),
  mlx_version: z.string().nullable(),
  memory_bytes: z.number().int().nullable(),
  in_flight: z.number().int(),
  checks: z
    .array(checkSchema)
    .default([])
    .describe("what admission and the canary found at this load; empty until it serves"),
});

export const modelCapabilitiesSchema = z
  .object({
    completion: z.boolean().describe("continues a text prompt"),
    chat: z.boolean().describe("has a chat template"),
    tools: z.boolean().describe("its tool calls can be read"),
    reasoning: z.boolean().describe("marks its reasoning"),
    fill: z.boolean().describe("fills in between `prompt` and `suffix`"),
  })
  .meta({ id: "ModelCapabilities" });

export const modelDetailSchema = z
  .object({
    id: z.string(),
    path: z.string(),
    model_type: z.string().nullable(),
    digest: z.string().nullable(),
    size_bytes: z.number().int(),
    loaded: z.boolean(),
    context_length: z.number().int().nullable(),
    capabilities: modelCapabilitiesSchema.nullish().describe("known once loaded"),
    readiness: readinessSchema,
    worker: workerInfoSchema.nullable(),
  })
  .meta({ id: "ModelDetail" });

export const modelListSchema = z
  .object({ object: z.literal("list"), data: z.array(modelDetailSchema) })
  .meta({ id: "ModelDetailList" });

export const loadRequestSchema = z
  .object({
    model_id: z.string().min(1),
    wait: z.boolean().default(true).describe("false: answer 202 at once"),
    dry_run: z.boolean().default(false).describe("only look: the same answer as `/admin/models/probe`"),
    override_safe_mode: z.boolean().default(false).describe("load although the service is in safe mode"),
    allow_unsupported_runtime: z
      .boolean()
      .default(false)
      .describe("go past the runtime blocklist and refusing advisories; logged and audited"),
    reason: auditReasonSchema,
  })
  .meta({ id: "LoadRequest" });

export const loadResultSchema = z
  .object({
    model_id: z.string(),
    readiness: readinessSchema,
    load_seconds: z.number().nullable(),
    memory_bytes: z.number().int().nullable(),
    checks: z.array(checkSchema),
  })
  .meta({ id: "LoadResult" });

export const probeRequestSchema = z
  .object({
    model_id: z.string().min(1),
    allow_unsupported_runtime: z.boolean().default(false).describe("the verdict if the load said so"),
  })
  .meta({ id: "ProbeRequest" });

/** Bytes; null: not known, because an earlier check failed. */
export const memoryVerdictSchema = z.object({
  weights_bytes: z.number().int().nullable(),
  kv_bytes_per_token: z.number().int().nullable(),
  required_bytes: z.number().int().nullable().describe("weights, caches for the context, working memory"),
  available_bytes: z.number().int().nullable(),
});

export const probeResultSchema = z
  .object({
    model_id: z.string(),
    verdict: z.enum(["admit", "refuse"]),
    code: z.string().nullable().describe("the error a load would answer with"),
    checks: z.array(checkSchema),
    memory: memoryVerdictSchema,
  })
  .meta({ id: "ProbeResult" });

export const compatibilitySchema = z
  .object({
    object: z.literal("list"),
    data: z.array(registryEntrySchema),
    matrix: z
      .array(
        z.object({
          model: z.string(),
          cells: z.array(
            z.object({
              backend: z.string(),
              backend_version: z.string(),
              outcome: z.enum(REGISTRY_OUTCOMES).describe("of the newest row"),
              reason: z.string().nullable(),
              ts: z.iso.datetime(),
              passes: z.number().int(),
              fails: z.number().int(),
            }),
          ),
        }),
      )
      .describe("model x backend version"),
    regressions: z
      .array(
        z.object({
          model: z.string(),
          backend: z.string(),
          passed_on: z.string().describe("the newest older version it passed on"),
          failed_on: z.string(),
          reason: z.string().nullable(),
          ts: z.iso.datetime(),
        }),
      )
      .describe("pass on an older version, fail on a newer one"),
  })
  .meta({ id: "Compatibility" });

export const unloadRequestSchema = z
  .object({ model_id: z.string().min(1), reason: auditReasonSchema })
  .meta({ id: "UnloadRequest" });
export const unloadResultSchema = z
  .object({ model_id: z.string(), readiness: readinessSchema })
  .meta({ id: "UnloadResult" });

/** Operator verbs: restart, quarantine, release. */
export const modelActionRequestSchema = z
  .object({
    model_id: z.string().min(1),
    reason: auditReasonSchema,
  })
  .meta({ id: "ModelActionRequest" });
export const modelActionResultSchema = unloadResultSchema.meta({ id: "ModelActionResult" });

export const auditRowSchema = z
  .object({
    ts: z.iso.datetime(),
    action: z.string().describe("load, unload, restart, quarantine, release, leave_safe_mode, …"),
    model: z.string().nullable(),
    actor: z.object({
      key: z.string().nullable().describe("first characters of the key's hash"),
      address: z.string().nullable(),
      via: z.string(),
    }),
    reason: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "AuditRow" });
export const auditListSchema = z
  .object({ object: z.literal("list"), data: z.array(auditRowSchema).describe("newest first") })
  .meta({ id: "AuditList" });

export const leaveSafeModeResultSchema = z
  .object({ left: z.boolean().describe("false: the service was not in safe mode") })
  .meta({ id: "LeaveSafeModeResult" });

export const statusSchema = z
  .object({
    status: z.enum(["ok", "draining"]),
    version: z.string(),
    pid: z.number().int(),
    started_at: z.iso.datetime(),
    uptime_seconds: z.number(),
    state_directory: z.string(),
    runtime: z.object({ python: z.string(), lock_hash: z.string() }).nullable(),
    models: z.record(z.string(), z.number().int()).describe("number of models in each state"),
    requests_in_flight: z.number().int(),
    safe_mode: z
      .string()
      .nullable()
      .default(null)
      .describe("why the service loads nothing unasked; null: it does"),
    degraded: z.array(z.string()).describe("what works in memory only, and why"),
  })
  .meta({ id: "Status" });

export type Check = z.infer<typeof checkSchema>;
export type MemoryVerdict = z.infer<typeof memoryVerdictSchema>;
export type ProbeResult = z.infer<typeof probeResultSchema>;
export type Compatibility = z.infer<typeof compatibilitySchema>;
export type ModelCapabilities = z.infer<typeof modelCapabilitiesSchema>;
export type ModelDetail = z.infer<typeof modelDetailSchema>;
export type LoadResult = z.infer<typeof loadResultSchema>;
export type UnloadResult = z.infer<typeof unloadResultSchema>;
export type ModelActionResult = z.infer<typeof modelActionResultSchema>;
export type Status = z.infer<typeof statusSchema>;
