import { leaveSafeModeResultSchema } from "../../shared/admin.ts";
import { connect } from "./admin-client.ts";
import { type Command, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { ACTION_HELP, ACTION_OPTIONS } from "./model-action.ts";

export const safeModeLeaveCommand: Command = {
  name: "safe-mode leave",
  arguments: [],
  summary: "let the service load models again after it crashed several times in a row",
  options: ACTION_OPTIONS,
  help: `After several starts that ended in a crash the service starts in safe mode: the API answers, but no model is loaded on
its own. This ends it. To try one model first, load it with "lmx load <model> --override-safe-mode": the service stays
in safe mode. Not being in safe mode is fine.

Options:
${ACTION_HELP}

Examples:
  lmx safe-mode leave
  lmx safe-mode leave --reason "removed the model that panicked the machine"`,
  run: async (input) => {
    const { io, values } = input;
    const reason = textOption(values, "reason");
    const request = reason === undefined ? {} : { reason };
    const result = await connect(input).post("/admin/safe-mode/leave", request, leaveSafeModeResultSchema);
    const text = result.left
      ? `Safe mode is over; "lmx ps" shows what is being loaded.`
      : "The service was not in safe mode.";
    io.stdout.write(`${values.json === true ? JSON.stringify(result, null, 2) : text}\n`);
    return EXIT_CODES.ok.code;
  },
};
