import { probeResultSchema } from "../../shared/admin.ts";
import { connect } from "./admin-client.ts";
import { exitCodeOf } from "./api-errors.ts";
import { probeText } from "./checks-table.ts";
import type { Command, CommandInput } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";

export const probeCommand: Command = {
  name: "probe",
  arguments: ["model"],
  summary: "check whether a model would load, and say what is in the way; loads nothing",
  options: { ...CONNECTION_OPTIONS, "allow-unsupported-runtime": { type: "boolean" } },
  help: `Looks at a model's files, architecture, runtime and memory as a load would, and prints one line per check.
Below a check that warns or fails stand what was expected and what to do next. Nothing is loaded or changed. Exits 0
when a load would be admitted, otherwise with the code that "lmx load" would exit with.

Options:
  --allow-unsupported-runtime  the verdict if the load said so too: past the runtime blocklist and advisories
${CONNECTION_HELP}

Examples:
  lmx probe lmx-demo
  lmx probe org/model && lmx load org/model
  lmx probe org/model --json | jq '.checks[] | select(.status != "pass")'`,
  run: probeAndPrint,
};

/**
 * Asks for the verdict on a model and prints it; `lmx load --dry-run` is the same question.
 * @returns the exit code
 * @throws CliError
 */
export async function probeAndPrint(input: CommandInput): Promise<number> {
  const { io, positionals, values } = input;
  const [model_id = ""] = positionals;
  const question = {
    model_id,
    ...(values["allow-unsupported-runtime"] === true && { allow_unsupported_runtime: true }),
  };
  // For --dry-run too: a supervisor that knows no dry_run would load the model.
  const result = await connect(input).post("/admin/models/probe", question, probeResultSchema);
  io.stdout.write(values.json === true ? `${JSON.stringify(result, null, 2)}\n` : probeText(result, io));
  if (result.verdict === "admit") return EXIT_CODES.ok.code;
  return result.code === null ? EXIT_CODES.failed.code : exitCodeOf(result.code, 0);
}
