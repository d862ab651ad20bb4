import type { Command } from "./command.ts";
import { ACTION_HELP, ACTION_OPTIONS, actAndPrint, askForAction } from "./model-action.ts";

export const quarantineCommand: Command = {
  name: "quarantine",
  arguments: ["model"],
  summary: "take a model out of service until it is released, whatever asks for it",
  options: ACTION_OPTIONS,
  help: `Ends the model's process and refuses every request for it, over restarts of the service too, until "lmx release". A
model that is quarantined already, for its failures, stays so until then as well.

Options:
${ACTION_HELP}

Examples:
  lmx quarantine org/model --reason "answers are garbled since the upgrade"
  lmx quarantine org/model --json | jq .readiness`,
  run: (input) => actAndPrint(input, askForAction("quarantine")),
};
