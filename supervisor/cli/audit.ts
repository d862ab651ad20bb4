import type { z } from "zod";
import { auditListSchema, type auditRowSchema } from "../../shared/admin.ts";
import { connect } from "./admin-client.ts";
import { type Command, numberOption, textOption } from "./command.ts";
import { minuteOf } from "./compat-query.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";
import { formatTable, printable } from "./printable.ts";
import { type Styles, stylesFor } from "./styles.ts";

type AuditRow = z.output<typeof auditRowSchema>;

/** Rows shown unless --limit says otherwise. */
const SHOWN_ROWS = 40;
/** As many rows as the supervisor keeps. */
const MAX_ROWS = 2_000;

export const auditCommand: Command = {
  name: "audit",
  arguments: [],
  summary: "list what operators did to the service and its models, the newest first",
  options: {
    ...CONNECTION_OPTIONS,
    model: { type: "string", short: "m" },
    action: { type: "string" },
    limit: { type: "string", short: "n" },
  },
  help: `Lists actions such as restart, quarantine, release and leave_safe_mode with the address they came from, the beginning
of the hash of the admin key, and below them the reason that was given. --json has the details too.

Options:
  -m, --model ID    only about this model
  --action WORD     only this action
  -n, --limit N     the newest N (default ${SHOWN_ROWS}; with --json all)
${CONNECTION_HELP}

Examples:
  lmx audit
  lmx audit --model org/model --action quarantine
  lmx audit --json | jq -r '.data[] | [.ts, .action, .model, .reason] | @tsv'`,
  run: async (input) => {
    const { io, values } = input;
    const isJson = values.json === true;
    const given = numberOption(values, "limit", { min: 1, max: MAX_ROWS, whole: true });
    const limit = given ?? (isJson ? MAX_ROWS : SHOWN_ROWS);
    const model = textOption(values, "model");
    const action = textOption(values, "action");
    const query = new URLSearchParams({
      ...(model !== undefined && { model }),
      ...(action !== undefined && { action }),
      limit: String(limit),
    });
    const answer = await connect(input).get(`/admin/audit?${query}`, auditListSchema);
    const isCut = given === undefined && answer.data.length >= limit;
    const text = isJson
      ? JSON.stringify(answer, null, 2)
      : listText(answer.data, isCut, stylesFor(io.stdout, io.env));
    io.stdout.write(`${text}\n`);
    return EXIT_CODES.ok.code;
  },
};

function listText(rows: readonly AuditRow[], isCut: boolean, styles: Styles): string {
  if (rows.length === 0) return "No such action is on record.";
  const header = ["WHEN (UTC)", "ACTION", "MODEL", "FROM", "KEY"];
  const [head = "", ...lines] = formatTable([header, ...rows.map(row)], (cell, index) =>
    index === 0 ? styles.bold(cell) : cell,
  );
  const body = rows.flatMap(({ reason }, index) => [
    lines[index] ?? "",
    ...(reason === null ? [] : [`  ${printable(reason)}`]),
  ]);
  const more = isCut ? ["", `Only the newest ${rows.length} are shown: lmx audit --limit ${MAX_ROWS}`] : [];
  return [head, ...body, ...more].join("\n");
}

function row({ ts, action, model, actor }: AuditRow): string[] {
  const cells = [action, model ?? "-", actor.address ?? actor.via, actor.key ?? "-"];
  return [minuteOf(ts), ...cells.map(printable)];
}
