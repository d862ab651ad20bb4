import { z } from "zod";
import { readinessSchema } from "./readiness.ts";

/** Shapes of the admin API that others script against: keys may be added, these stay. */
export const checkSchema = z
  .object({ name: z.string(), status: z.enum(["pass", "warn", "fail"]), detail: z.string() })
  .meta({ id: "Check" });

export const workerInfoSchema = z.object({
  pid: z.number().int(),
  started_at: z.iso.datetime(),
  backend_version: z.string().nullable(),
  mlx_version: z.string().nullable(),
  memory_bytes: z.number().int().nullable(),
  in_flight: z.number().int(),
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

export const unloadRequestSchema = z.object({ model_id: z.string().min(1) }).meta({ id: "UnloadRequest" });
export const unloadResultSchema = z
  .object({ model_id: z.string(), readiness: readinessSchema })
  .meta({ id: "UnloadResult" });

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
    degraded: z.array(z.string()).describe("what works in memory only, and why"),
  })
  .meta({ id: "Status" });

export type Check = z.infer<typeof checkSchema>;
export type ModelCapabilities = z.infer<typeof modelCapabilitiesSchema>;
export type ModelDetail = z.infer<typeof modelDetailSchema>;
export type LoadResult = z.infer<typeof loadResultSchema>;
export type UnloadResult = z.infer<typeof unloadResultSchema>;
export type Status = z.infer<typeof statusSchema>;
