import type { Command } from "./command.ts";
import { ACTION_HELP, ACTION_OPTIONS, actAndPrint, askForAction } from "./model-action.ts";

export const releaseCommand: Command = {
  name: "release",
  arguments: ["model"],
  summary: "let a quarantined model be tried once, at once",
  options: ACTION_OPTIONS,
  help: `Ends the wait of a quarantine: the model is loaded and tested once. When that goes well it serves, on probation; when
it fails, the model is quarantined again, for longer. Returns at once: "lmx ps --watch" shows how it goes. A model that
is not quarantined stays as it is.

Options:
${ACTION_HELP}

Examples:
  lmx release org/model
  lmx release org/model --reason "weights downloaded again" && lmx ps --watch`,
  run: (input) => actAndPrint(input, askForAction("release")),
};
