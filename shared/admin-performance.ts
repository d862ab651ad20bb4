import { z } from "zod";
import { readinessSchema } from "./readiness.ts";

const percentilesSchema = z.object({
  p50: z.number().nullable().describe("null: no request to tell from"),
  p95: z.number().nullable(),
});

/** `GET /admin/models/{id}/performance`. Keys may be added, these stay. */
export const modelPerformanceSchema = z
  .object({
    model_id: z.string(),
    readiness: readinessSchema,
    requests: z
      .object({
        total: z.number().int(),
        succeeded: z.number().int(),
        failed: z.number().int(),
        cancelled: z.number().int().describe("the client left"),
        running: z.number().int().describe("a worker has taken them"),
        waiting: z.number().int().describe("no worker has taken them yet"),
      })
      .describe("since the service started"),
    sample: z
      .object({ requests: z.number().int(), limit: z.number().int() })
      .describe("how many finished requests the percentiles are of, the newest, and how many at most"),
    time_to_first_token_seconds: percentilesSchema.describe("from the arrival of a request"),
    tokens_per_second: percentilesSchema.describe("of one request, from its first token to its last"),
    memory: z
      .object({ active: z.number(), peak: z.number(), cache: z.number() })
      .nullable()
      .describe("bytes the worker's allocator holds; null: there is no worker, or it has not said yet"),
    load_seconds: z.number().nullable().describe("of the newest load"),
    canary_seconds: z.number().nullable().describe("of the newest canary that passed"),
    workers: z.object({
      started: z.number().int(),
      restarted: z.number().int().describe("of those started, to replace one that failed"),
      exits: z.record(z.string(), z.number().int()).describe("number of workers that ended, by cause"),
    }),
  })
  .meta({ id: "ModelPerformance" });

export type ModelPerformance = z.infer<typeof modelPerformanceSchema>;
