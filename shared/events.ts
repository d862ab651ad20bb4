import { z } from "zod";
import { readinessReasonSchema } from "./readiness.ts";

/** What `GET /admin/events` tells. Types may be added; readers skip those they do not know. */
export const EVENT_TYPES = [
  "state",
  "load_progress",
  "canary",
  "worker_started",
  "worker_exited",
  "quarantined",
  "released",
  "override",
  "auto_load_skipped",
  "config_reloaded",
  "config_refused",
  "safe_mode_entered",
  "safe_mode_left",
  "runtime_broken",
  "runtime_mended",
  "registry_degraded",
  "registry_restored",
  /** Events were missed: they are no longer kept, or belong to an earlier run of the service. */
  "reset",
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

export const serviceEventSchema = z
  .object({
    id: z.number().int().describe("rises, also over restarts of the service"),
    ts: z.iso.datetime(),
    type: z.string().describe(EVENT_TYPES.join(", ")),
    model: z.string().nullable(),
    reason: readinessReasonSchema.nullable(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "ServiceEvent" });

export type ServiceEvent = z.infer<typeof serviceEventSchema>;
