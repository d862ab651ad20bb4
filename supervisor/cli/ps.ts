import { modelListSchema } from "../../shared/admin.ts";
import { connect } from "./admin-client.ts";
import type { Command, CommandInput } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";
import { psTable } from "./ps-table.ts";
import { stylesFor } from "./styles.ts";
import { watchPs } from "./watch-ps.ts";

export const psCommand: Command = {
  name: "ps",
  arguments: [],
  summary: "show which models are loaded, and why others are not",
  options: {
    ...CONNECTION_OPTIONS,
    all: { type: "boolean", short: "a" },
    watch: { type: "boolean", short: "w" },
  },
  help: `Shows every model that has a process, is on its way, or has a reason not to be.

Options:
  -a, --all         also the models on disk that nobody loaded
  -w, --watch       keep showing, once a second; q or Ctrl-C leaves. Into a pipe or file: again at every change
${CONNECTION_HELP}

States: admitted, loading, canary_pending (answering a test prompt), routable (serving), quarantined, unloaded.
In brackets: backoff (waits before the next attempt), half_open (tried once after a quarantine), probation (serves one
request at a time after a quarantine), draining (finishes its answers), stalled (makes no progress).

Examples:
  lmx ps
  lmx ps --all
  lmx ps --watch
  lmx ps --json | jq -r '.data[] | select(.worker) | .worker.pid'`,
  run: async (input) => {
    const client = connect(input);
    if (input.values.watch === true) return await watchPs(input, client);
    const { io, values } = input;
    const answer = await client.get("/admin/models", modelListSchema);
    const text = values.json === true ? JSON.stringify(answer, null, 2) : tableText(input, answer.data);
    io.stdout.write(`${text}\n`);
    return EXIT_CODES.ok.code;
  },
};

function tableText({ io, values }: CommandInput, models: Parameters<typeof psTable>[0]): string {
  const options = {
    all: values.all === true,
    now: io.now?.() ?? Date.now(),
    styles: stylesFor(io.stdout, io.env),
  };
  return psTable(models, options).join("\n");
}
