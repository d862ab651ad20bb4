import type { ModelActionResult } from "../../shared/admin.ts";
import type { AdminClient } from "./admin-client.ts";
import { CliError, type Command, type CommandInput } from "./command.ts";
import { loadAndWait } from "./load-and-wait.ts";
import { ACTION_HELP, ACTION_OPTIONS, actAndPrint, askForAction } from "./model-action.ts";

/** Node's fetch gives up on the headers of an answer after 300 s; a connection that breaks so late broke for that. */
const FETCH_PATIENCE_MS = 290_000;

export const restartCommand: Command = {
  name: "restart",
  arguments: ["model"],
  summary: "end a model's process once its answers are finished, and load it again",
  options: ACTION_OPTIONS,
  help: `Lets the running requests finish, ends the model's process, loads it again and waits until it serves; "lmx ps --watch"
shows it happen. Requests that come meanwhile are held for the new process. A model that is not loaded is loaded. Ctrl-C
stops the waiting, not the restart. It does not count as a failure.

Options:
${ACTION_HELP}

Examples:
  lmx restart lmx-demo
  lmx restart org/model --reason "memory grew over the week"`,
  run: (input) => actAndPrint(input, restartAndWait),
};

async function restartAndWait(client: AdminClient, input: CommandInput): Promise<ModelActionResult> {
  const now = input.io.now ?? Date.now;
  const startedAt = now();
  try {
    return await askForAction("restart")(client, input);
  } catch (thrown) {
    const isLost = thrown instanceof CliError && thrown.code === "no_supervisor";
    if (!isLost || now() - startedAt < FETCH_PATIENCE_MS) throw thrown;
    // The restart goes on. By now it is loading, and a load joins one that is under way.
    const { model_id, readiness } = await loadAndWait(client, input.positionals[0] ?? "", input.io);
    return { model_id, readiness };
  }
}
