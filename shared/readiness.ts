import { z } from "zod";

/**
 * The public states of a model (*seed*), plus `unloaded`: known on disk, no worker, nobody asked for it.
 * Only `routable` receives user traffic.
 */
export const READINESS_STATES = [
  "unloaded",
  "admitted",
  "loading",
  "canary_pending",
  "routable",
  "quarantined",
] as const;

export const READINESS_DETAILS = ["backoff", "half_open", "probation", "draining", "stalled"] as const;

export const readinessReasonSchema = z.object({
  code: z.string(),
  cause: z.string(),
  message: z.string(),
});

export const readinessSchema = z
  .object({
    state: z.enum(READINESS_STATES),
    detail: z.enum(READINESS_DETAILS).nullable(),
    since: z.iso.datetime().describe("when this state began"),
    reason: readinessReasonSchema.nullable().describe("why the model is in this state, when there is a why"),
    failures: z.number().int().describe("counted failures in a row"),
    next_attempt_at: z.iso.datetime().nullable(),
    quarantine: z
      .object({
        level: z.number().int(),
        until: z.iso.datetime().nullable(),
        dossier_id: z.string().nullable(),
      })
      .nullable(),
  })
  .meta({ id: "Readiness" });

export type ReadinessState = (typeof READINESS_STATES)[number];
export type ReadinessDetail = (typeof READINESS_DETAILS)[number];
export type ReadinessReason = z.infer<typeof readinessReasonSchema>;
export type Readiness = z.infer<typeof readinessSchema>;
