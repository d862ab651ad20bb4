import { z } from "zod";

/** Before the architecture's name in the registry's rows of a sweep: never the name of real weights. */
export const REDUCED_PREFIX = "reduced/";

/** Why an architecture cannot be served, or not everywhere, although it is installed. */
export const knownLimitSchema = z.object({
  kind: z.string().describe("such as `cannot-build`, `needs-metal` or `cannot-batch`"),
  reason: z.string(),
});

/** One line of `python -m reduced_models --list`. */
export const reducedArchitectureSchema = z.object({
  arch: z.string(),
  family: z.string().describe("the module of mlx_lm that computes it"),
  limit: knownLimitSchema.nullish(),
});

/** The last line of `python -m reduced_models --arch NAME --out DIR`. */
export const reducedBuildSchema = z.union([
  z.object({ arch: z.string(), path: z.string(), parameters: z.number().int(), bytes: z.number().int() }),
  z.object({ arch: z.string(), error: z.object({ type: z.string(), message: z.string() }) }),
]);

export const sweepRequestSchema = z
  .object({
    archs: z
      .array(z.string().min(1))
      .min(1)
      .max(1_000)
      .optional()
      .describe("architectures to try; default all of the installed mlx_lm"),
    force: z
      .boolean()
      .default(false)
      .describe("try again what has passed on this runtime already; otherwise it is skipped"),
  })
  .meta({ id: "SweepRequest" });

export const sweepAcceptedSchema = z
  .object({ id: z.string(), total: z.number().int().describe("architectures it will go through") })
  .meta({ id: "SweepAccepted" });

export const sweepResultSchema = z
  .object({
    arch: z.string(),
    outcome: z.enum(["pass", "fail", "skipped"]),
    reason: z.string().nullable(),
    limit: knownLimitSchema
      .nullable()
      .describe("known to stop this architecture; its failure is no surprise"),
    load_seconds: z.number().nullable(),
    peak_memory_bytes: z.number().int().nullable(),
  })
  .meta({ id: "SweepResult" });

export const sweepStatusSchema = z
  .object({
    id: z.string().nullable().describe("null: none was started since the supervisor was"),
    state: z.enum(["idle", "running", "done", "cancelled"]),
    total: z.number().int(),
    done: z.number().int(),
    current: z.string().nullable().describe("the architecture being tried"),
    runtime: z
      .object({
        backend: z.string(),
        backend_version: z.string(),
        mlx_version: z.string(),
        python_version: z.string(),
        platform: z.string(),
      })
      .nullable()
      .describe("what it runs on"),
    started_at: z.iso.datetime().nullable(),
    results: z.array(sweepResultSchema),
  })
  .meta({ id: "SweepStatus" });

export type KnownLimit = z.infer<typeof knownLimitSchema>;
export type ReducedArchitecture = z.infer<typeof reducedArchitectureSchema>;
export type SweepRequest = z.output<typeof sweepRequestSchema>;
export type SweepAccepted = z.infer<typeof sweepAcceptedSchema>;
export type SweepResult = z.infer<typeof sweepResultSchema>;
export type SweepStatus = z.infer<typeof sweepStatusSchema>;
