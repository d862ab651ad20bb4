import { type ModelActionResult, modelActionResultSchema } from "../../shared/admin.ts";
import { type AdminClient, connect } from "./admin-client.ts";
import { type CommandInput, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";
import { printable } from "./printable.ts";
import { readinessText } from "./readiness-text.ts";

/** Options of the operator verbs. */
export const ACTION_OPTIONS = { ...CONNECTION_OPTIONS, reason: { type: "string", short: "r" } } as const;

export const ACTION_HELP = `  -r, --reason WHY  for the audit trail: "lmx audit" shows it
${CONNECTION_HELP}`;

type Ask = (client: AdminClient, input: CommandInput) => Promise<ModelActionResult>;

/** One request for an operator verb. @throws CliError */
export function askForAction(action: "restart" | "quarantine" | "release"): Ask {
  return (client, { positionals, values }) => {
    const reason = textOption(values, "reason");
    const request = { model_id: positionals[0] ?? "", ...(reason !== undefined && { reason }) };
    return client.post(`/admin/models/${action}`, request, modelActionResultSchema);
  };
}

/** Runs an operator verb and prints where the model is now. @returns the exit code @throws CliError */
export async function actAndPrint(input: CommandInput, ask: Ask): Promise<number> {
  const { io, values } = input;
  const result = await ask(connect(input), input);
  const text =
    values.json === true ? JSON.stringify(result, null, 2) : sentence(result, io.now?.() ?? Date.now());
  io.stdout.write(`${text}\n`);
  return EXIT_CODES.ok.code;
}

function sentence({ model_id, readiness }: ModelActionResult, now: number): string {
  return printable(`${model_id} is ${readinessText(readiness, now)}`);
}
