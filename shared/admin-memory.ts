import { z } from "zod";

const bytes = z.number().nullable();

/** `GET /admin/memory`. Bytes; null: not known. Keys may be added, these stay. */
export const memoryReportSchema = z
  .object({
    machine: z.object({
      total_bytes: bytes,
      available_bytes: bytes.describe("what could be taken now without swapping"),
      limit_bytes: bytes.describe("what this process and its children, or the GPU, may take at most"),
      source: z.string().describe("where these numbers were read"),
    }),
    limit_bytes: bytes.describe("what all models together may take"),
    limit_source: z
      .enum(["configuration", "machine_limit", "machine_total"])
      .nullable()
      .describe("whose limit that is"),
    reserve_bytes: z.number().describe("left free for the rest of the machine"),
    evict: z.enum(["never", "idle"]).describe("whether idle models leave to make room"),
    held_bytes: z.number().describe("promised to models, or taken by them where that is more"),
    free_bytes: bytes.describe("what may still be promised"),
    free_reason: z.string().describe("how `free_bytes` comes about"),
    holders: z
      .array(
        z.object({
          model_id: z.string(),
          state: z.enum(["reserved", "loaded"]).describe("`reserved`: it is loading, or about to"),
          granted_bytes: z.number(),
          measured_bytes: bytes.describe("what its worker takes now"),
          busy: z.boolean().describe("a request runs or waits"),
          pinned: z.boolean().describe("never leaves to make room"),
          last_used_at: z.iso
            .datetime()
            .nullable()
            .describe("when its last request came or went; null: it has had none"),
        }),
      )
      .describe("the largest first"),
  })
  .meta({ id: "MemoryReport" });

export type MemoryReport = z.infer<typeof memoryReportSchema>;
