import { z } from "zod";

/** The compatibility registry file: what was tried on which runtime, and how it went. Field names are *seed*. */
export const REGISTRY_SCHEMA = 1;

export const REGISTRY_OUTCOMES = ["pass", "fail", "drift"] as const;

export const registryEntrySchema = z
  .object({
    model: z.string(),
    backend: z.string(),
    backend_version: z.string(),
    outcome: z.enum(REGISTRY_OUTCOMES),
    reason: z.string().nullable(),
    metadata: z
      .record(z.string(), z.unknown())
      .describe("digest, mlx version, architecture, canary fingerprint, memory"),
    ts: z.iso.datetime(),
  })
  .meta({ id: "CompatibilityEntry" });

export const registryFileSchema = z.object({
  schema: z.literal(REGISTRY_SCHEMA),
  entries: z.array(registryEntrySchema),
});

export type RegistryEntry = z.infer<typeof registryEntrySchema>;
export type RegistryFile = z.infer<typeof registryFileSchema>;
