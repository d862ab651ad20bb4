import { type ConfigReload, configReloadSchema } from "../../shared/admin-config.ts";
import { connect } from "./admin-client.ts";
import { CliError, type Command } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";
import { printable } from "./printable.ts";

export const configReloadCommand: Command = {
  name: "config reload",
  arguments: [],
  summary: "have a running supervisor read its configuration again, without ending anything",
  options: CONNECTION_OPTIONS,
  help: `The supervisor reads its file again and puts its own environment and flags over it. All of it must be right, or
nothing changes. Models run on; which of them keep an old value until "lmx restart <model>" is said. What needs a new
start of the service is said too, and not applied. SIGUSR2 does the same, and the log tells what came of it.

Changed keys are asked for at once. Commands on this machine need none, so a reload works whatever has changed.

Options:
${CONNECTION_HELP}

Examples:
  lmx config reload
  lmx config reload --json | jq -r '.needs_restart[].key'`,
  run: async (input) => {
    const { io, values } = input;
    const result = await connect(input)
      .post("/admin/config/reload", {}, configReloadSchema)
      .catch((thrown: unknown) => {
        throw withProblems(thrown);
      });
    const text = values.json === true ? JSON.stringify(result, null, 2) : resultText(result);
    io.stdout.write(`${text}\n`);
    return EXIT_CODES.ok.code;
  },
};

/** A refusal that names every problem, not only the first. */
function withProblems(thrown: unknown): unknown {
  if (!(thrown instanceof CliError) || !Array.isArray(thrown.details?.problems)) return thrown;
  const problems = (thrown.details.problems as unknown[]).map((problem) => `  ${printable(String(problem))}`);
  const message = ["The configuration was not reloaded; nothing was changed.", ...problems].join("\n");
  return new CliError(EXIT_CODES.config.code, "invalid_config", message, thrown.details);
}

function resultText({ applied, needs_restart, loading, not_loaded, unchanged }: ConfigReload): string {
  const lines = [
    ...applied.flatMap(appliedLines),
    ...loading.map((id) => `${id}: its load was asked for; "lmx ps" shows how it goes`),
    ...not_loaded.map(({ model_id, reason }) => `${model_id}: not loaded: ${reason}`),
    ...needs_restart.map((change) => `${changeText(change)}; not before the service is started again`),
  ];
  if (lines.length === 0) return `Nothing has changed (${unchanged} values).`;
  return lines.map(printable).join("\n");
}

function appliedLines(change: ConfigReload["applied"][number]): string[] {
  const when = change.takes_effect === "now" ? "" : "; from the next load on";
  const stale = change.restart_models.map((id) => `  ${id} keeps the old value until: lmx restart ${id}`);
  return [`${changeText(change)}${when}`, ...stale];
}

function changeText({ key, from, to }: ConfigReload["needs_restart"][number]): string {
  const isSecret = key === "api_keys" || key === "admin_keys";
  const text = (value: unknown) => (isSecret ? keyCount(Number(value)) : JSON.stringify(value ?? null));
  return `${key}: ${text(from)} -> ${text(to)}`;
}

function keyCount(count: number): string {
  return count === 1 ? "1 key" : `${count} keys`;
}
