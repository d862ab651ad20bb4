import { z } from "zod";

const changed = {
  key: z.string().describe("such as `timeouts.hold_seconds`, `aliases.NAME` or `models.ID.context_tokens`"),
  from: z.unknown().describe("the value in force before; of keys only how many there are"),
  to: z.unknown(),
};

const needsRestartSchema = z.object(changed);

/** `POST /admin/config/reload`. Keys may be added, these stay. */
export const configReloadSchema = z
  .object({
    applied: z.array(
      z.object({
        ...changed,
        takes_effect: z
          .enum(["now", "next_load"])
          .describe("`next_load`: for models that are loaded from now on"),
        restart_models: z
          .array(z.string())
          .describe("loaded models that go on with the old value until they are restarted"),
      }),
    ),
    needs_restart: z.array(needsRestartSchema).describe("not in force before the service is started again"),
    unchanged: z.number().int(),
    loading: z.array(z.string()).describe("models `auto_load` did not name before: their load was asked for"),
    not_loaded: z
      .array(z.object({ model_id: z.string(), reason: z.string() }))
      .describe("new in `auto_load` and not asked for"),
  })
  .meta({ id: "ConfigReload" });

/** `GET /admin/config`: what is in force. Keys may be added, these stay. */
export const configReportSchema = z
  .object({
    config_file: z.string(),
    state_directory: z.string(),
    values: z.array(
      z.object({
        key: z.string(),
        value: z.unknown().describe("keys are masked"),
        source: z.enum(["default", "file", "environment", "flag"]),
        from: z.string().nullable().describe("the file, variable or flag; null for a default"),
      }),
    ),
    needs_restart: z
      .array(needsRestartSchema)
      .describe("what the last reload found and could not apply to a running service"),
  })
  .meta({ id: "ConfigReport" });

export type ConfigReload = z.infer<typeof configReloadSchema>;
export type ConfigReport = z.infer<typeof configReportSchema>;
