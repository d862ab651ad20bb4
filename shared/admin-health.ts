import { z } from "zod";

/** `GET /admin/health`. Keys and checks may be added, these stay. */
export const healthPageSchema = z
  .object({
    status: z
      .enum(["ok", "degraded", "unavailable"])
      .describe("`degraded`: a check warns; `unavailable`: a check fails"),
    checks: z.array(
      z.object({
        name: z.string().describe("service, safe_mode, runtime, models, event_loop, memory, stores"),
        status: z.enum(["pass", "warn", "fail"]),
        detail: z.string().describe("what was found"),
      }),
    ),
  })
  .meta({ id: "HealthPage" });

export type HealthPage = z.infer<typeof healthPageSchema>;
