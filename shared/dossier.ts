import { z } from "zod";

export const DOSSIER_PHASES = ["starting", "loading", "canary", "serving"] as const;

/** Resident bytes of a worker at one moment. */
export const memorySampleSchema = z.object({ at: z.iso.datetime(), bytes: z.number() });

/** What the supervisor did after a worker's death. */
export const dossierNextSchema = z.discriminatedUnion("action", [
  z.object({
    action: z.literal("restarted"),
    after_ms: z.number().describe("how long the restart was put off"),
  }),
  z.object({
    action: z.literal("quarantined"),
    until: z.iso.datetime().nullable().describe("null: until an operator releases it, or its files change"),
  }),
  z.object({ action: z.literal("unloaded") }),
]);

/** One dead worker. Never holds a prompt, a key or the user's home directory. */
export const dossierSchema = z
  .object({
    id: z.string().describe("sorts by time"),
    model: z.string(),
    at: z.iso.datetime().describe("when the process was gone"),
    phase: z.enum(DOSSIER_PHASES).describe("how far the worker had come"),
    class: z.enum(["crash", "resource", "deterministic", "environment"]),
    cause: z.string(),
    message: z.string(),
    counted: z.boolean().describe("false: nothing is held against the model"),
    advice: z.string().nullable().describe("what an operator can do"),
    recovery: z.enum(["respawn_now", "wait", "do_not_retry"]).nullable(),
    signal: z.string().nullable(),
    exit_code: z.number().int().nullable(),
    ended_by: z.string().nullable().describe("why the supervisor ended it; null: it died by itself"),
    next: dossierNextSchema,
    pid: z.number().int().nullable(),
    started_at: z.iso.datetime(),
    in_flight: z.array(z.string()).describe("ids of the requests that ran"),
    fingerprints: z.array(z.string()).describe("hashes of the requests that ran"),
    memory_timeline: z.array(memorySampleSchema).describe("the last minutes, oldest first"),
    memory_cap_bytes: z.number().nullable(),
    versions: z.record(z.string(), z.string()),
    crash_report: z.string().nullable().describe("path of the system's own report (macOS)"),
    stack_dump: z.string().nullable().describe("Python stacks, if it wrote any"),
    stderr_tail: z.string().describe("the last 64 KiB it wrote to stderr"),
  })
  .meta({ id: "Dossier" });

/** A dossier in a list: only the end of what was said. */
export const dossierSummarySchema = dossierSchema.omit({ stack_dump: true }).meta({ id: "DossierSummary" });

export const dossierListSchema = z
  .object({
    object: z.literal("list"),
    data: z.array(dossierSummarySchema).describe("newest first; `stderr_tail` is its last 2 KiB here"),
    unreadable: z.array(z.string()).describe("files in the directory of dossiers that cannot be read"),
  })
  .meta({ id: "DossierList" });

export type DossierNext = z.infer<typeof dossierNextSchema>;
export type Dossier = z.infer<typeof dossierSchema>;
export type DossierSummary = z.infer<typeof dossierSummarySchema>;
export type DossierList = z.infer<typeof dossierListSchema>;
