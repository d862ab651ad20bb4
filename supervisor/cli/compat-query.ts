import { type Compatibility, compatibilitySchema } from "../../shared/admin.ts";
import { connect } from "./admin-client.ts";
import { type CommandInput, textOption } from "./command.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";
import type { Styles } from "./styles.ts";

/** Options of every command that shows the compatibility registry. */
export const COMPAT_OPTIONS = {
  ...CONNECTION_OPTIONS,
  model: { type: "string", short: "m" },
  backend: { type: "string" },
} as const;

export const COMPAT_HELP = `  -m, --model ID    only this model
  --backend NAME    only this backend, such as mlx-lm
${CONNECTION_HELP}`;

/** Further parameters of the request, by name. */
type CompatParameters = Readonly<Record<"outcome" | "limit", string | undefined>>;

/** Asks the supervisor what its registry knows of the model and backend of this command line. @throws CliError */
export function askCompatibility(
  input: CommandInput,
  { outcome, limit }: CompatParameters,
): Promise<Compatibility> {
  const parameters = {
    model: textOption(input.values, "model"),
    backend: textOption(input.values, "backend"),
    outcome,
    limit,
  };
  const given = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const query = given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
  return connect(input).get(`/admin/models/compatibility${query}`, compatibilitySchema);
}

/** The colour of a registry outcome. */
export function outcomeStyle(outcome: string, styles: Styles): (text: string) => string {
  if (outcome === "pass") return styles.green;
  return outcome === "fail" ? styles.red : styles.yellow;
}

/** `2026-11-20 10:00`, in UTC. */
export function minuteOf(ts: string): string {
  return new Date(ts).toISOString().slice(0, 16).replace("T", " ");
}
