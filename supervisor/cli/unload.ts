import { unloadResultSchema } from "../../shared/admin.ts";
import { connect } from "./admin-client.ts";
import { type Command, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { ACTION_HELP, ACTION_OPTIONS } from "./model-action.ts";
import { printable } from "./printable.ts";

export const unloadCommand: Command = {
  name: "unload",
  arguments: ["model"],
  summary: "let a model's answers finish, then end its process",
  options: ACTION_OPTIONS,
  help: `Takes a model out of service: no new requests, running ones may finish, then its process ends and its memory is
free. A model that is not loaded is fine.

Options:
${ACTION_HELP}

Examples:
  lmx unload lmx-demo
  lmx unload org/model --reason "room for another one"`,
  run: async (input) => {
    const { io, positionals, values } = input;
    const reason = textOption(values, "reason");
    const request = { model_id: positionals[0] ?? "", ...(reason !== undefined && { reason }) };
    const result = await connect(input).post("/admin/models/unload", request, unloadResultSchema);
    const { model_id, readiness } = result;
    const text = `${printable(model_id)} is ${readiness.state}`;
    io.stdout.write(`${values.json === true ? JSON.stringify(result, null, 2) : text}\n`);
    return EXIT_CODES.ok.code;
  },
};
