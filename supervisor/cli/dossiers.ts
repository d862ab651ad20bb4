import { type Dossier, type DossierList, dossierListSchema, dossierSchema } from "../../shared/dossier.ts";
import { connect } from "./admin-client.ts";
import { CliError, type Command, numberOption, textOption } from "./command.ts";
import { minuteOf } from "./compat-query.ts";
import { dossierReport, howItEnded, whatCameNext } from "./dossier-report.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";
import { formatTable, printable } from "./printable.ts";
import { type Styles, stylesFor } from "./styles.ts";

/** Dossiers shown unless --limit says otherwise. */
const SHOWN = 20;
/** As many as the supervisor keeps. */
const MOST = 200;

export const dossiersCommand: Command = {
  name: "dossiers",
  arguments: [],
  summary: "list the workers that died, the newest first, with the cause and what was done",
  options: {
    ...CONNECTION_OPTIONS,
    model: { type: "string", short: "m" },
    limit: { type: "string", short: "n" },
  },
  help: `Every worker that dies, or has to be ended because it hangs or takes too much memory, leaves a dossier: cause and
advice, what it said last, its memory over the last minutes, which requests ran. No prompts, no keys. The newest ${MOST}
are kept in the directory dossiers of the state directory. "lmx dossiers show <id>" shows one.

Options:
  -m, --model ID    only of this model
  -n, --limit N     the newest N (default ${SHOWN})
${CONNECTION_HELP}

Examples:
  lmx dossiers
  lmx dossiers --model lmx-demo --limit 1
  lmx dossiers --json | jq -r '.data[] | [.at, .model, .cause] | @tsv'`,
  run: async (input) => {
    const { io, values } = input;
    const model = textOption(values, "model");
    const limit = numberOption(values, "limit", { min: 1, max: MOST, whole: true }) ?? SHOWN;
    const query = new URLSearchParams({ ...(model !== undefined && { model }), limit: String(limit) });
    const answer = await connect(input).get(`/admin/models/dossiers?${query}`, dossierListSchema);
    const text =
      values.json === true
        ? JSON.stringify(answer, null, 2)
        : listText(answer, stylesFor(io.stdout, io.env), model);
    io.stdout.write(`${text}\n`);
    return EXIT_CODES.ok.code;
  },
};

export const dossiersShowCommand: Command = {
  name: "dossiers show",
  arguments: [],
  rest: "id",
  summary: "show everything that is known about the death of one worker, the newest if not named",
  options: { ...CONNECTION_OPTIONS, model: { type: "string", short: "m" } },
  help: `Shows what died, when and of what, what to do about it, its memory, its stacks and its last words. Made for a bug
report; look through the last words first, they are the worker's own. The end of them is shown, --json has all.

Options:
  -m, --model ID    without an id: the newest of this model
${CONNECTION_HELP}

Examples:
  lmx dossiers show
  lmx dossiers show --model lmx-demo
  lmx dossiers show 20261121T122103818Z-221a29 --json | jq -r .stderr_tail`,
  run: async (input) => {
    const { io, values, positionals } = input;
    const show = (dossier: Dossier) =>
      values.json === true
        ? JSON.stringify(dossier, null, 2)
        : dossierReport(dossier, stylesFor(io.stdout, io.env));
    const client = connect(input);
    const ids = positionals.length > 0 ? positionals : [await newestId(client, textOption(values, "model"))];
    for (const id of ids) {
      const dossier = await client.get(`/admin/models/dossiers/${encodeURIComponent(id)}`, dossierSchema);
      io.stdout.write(`${show(dossier)}\n`);
    }
    return EXIT_CODES.ok.code;
  },
};

async function newestId(client: ReturnType<typeof connect>, model: string | undefined): Promise<string> {
  const query = new URLSearchParams({ ...(model !== undefined && { model }), limit: "1" });
  const { data } = await client.get(`/admin/models/dossiers?${query}`, dossierListSchema);
  if (data[0] === undefined)
    throw new CliError(EXIT_CODES.failed.code, "not_found", `${whose(model)} has died.`);
  return data[0].id;
}

function whose(model: string | undefined): string {
  return model === undefined ? "No worker" : `No worker of ${printable(model)}`;
}

function listText({ data, unreadable }: DossierList, styles: Styles, model: string | undefined): string {
  const unread = unreadable.map((name) => `A file in dossiers cannot be read: ${printable(name)}`);
  if (data.length === 0) return [`${whose(model)} has died.`, ...unread].join("\n");
  const rows = data.map((one) =>
    [minuteOf(one.at), one.model, one.cause, howItEnded(one), whatCameNext(one.next), one.id].map(printable),
  );
  const header = ["WHEN (UTC)", "MODEL", "CAUSE", "ENDED BY", "THEN", "ID"];
  const table = formatTable([header, ...rows], (cell, row) => (row === 0 ? styles.bold(cell) : cell));
  return [...table, ...(unread.length > 0 ? ["", ...unread] : [])].join("\n");
}
