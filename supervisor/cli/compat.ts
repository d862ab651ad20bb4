import type { Compatibility } from "../../shared/admin.ts";
import { REGISTRY_OUTCOMES, type RegistryEntry } from "../../shared/registry.ts";
import { CliError, type Command, type CommandInput, numberOption, textOption } from "./command.ts";
import { askCompatibility, COMPAT_HELP, COMPAT_OPTIONS, minuteOf, outcomeStyle } from "./compat-query.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { formatTable, printable } from "./printable.ts";
import { type Styles, stylesFor } from "./styles.ts";

/** Rows shown unless --limit says otherwise. */
const SHOWN_ROWS = 40;
/** As many rows as the supervisor keeps. */
const MAX_ROWS = 2_000;
const OUTCOME_COLUMN = 4;

export const compatCommand: Command = {
  name: "compat",
  arguments: [],
  summary: "list which models passed and failed on which runtime, the newest result first",
  options: { ...COMPAT_OPTIONS, outcome: { type: "string" }, limit: { type: "string", short: "n" } },
  help: `Every load ends with a result that is kept for good: pass, fail, or drift (it answered, but not as it did before).
Lists them, the newest first, the reasons below theirs. "lmx compat matrix" shows them by model and version, "lmx
compat regressions" what stopped working with a newer runtime.

Options:
  --outcome WORD    only pass, fail or drift
  -n, --limit N     the newest N results (default ${SHOWN_ROWS}; with --json all)
${COMPAT_HELP}

Examples:
  lmx compat
  lmx compat --model lmx-demo --outcome fail
  lmx compat --json | jq -r '.data[] | [.model, .backend_version, .outcome] | @tsv'`,
  run: async (input) => {
    const { io, values } = input;
    const limit = numberOption(values, "limit", { min: 1, max: MAX_ROWS, whole: true });
    const answer = await askCompatibility(input, { outcome: outcomeOption(input), limit: limit?.toString() });
    const text =
      values.json === true
        ? JSON.stringify(answer, null, 2)
        : listText(answer, limit ?? SHOWN_ROWS, stylesFor(io.stdout, io.env));
    io.stdout.write(`${text}\n`);
    return EXIT_CODES.ok.code;
  },
};

function outcomeOption({ values }: CommandInput): string | undefined {
  const outcome = textOption(values, "outcome");
  if (outcome === undefined || REGISTRY_OUTCOMES.some((known) => known === outcome)) return outcome;
  const message = `--outcome: expected one of ${REGISTRY_OUTCOMES.join(", ")}, got ${JSON.stringify(outcome.slice(0, 40))}.`;
  throw new CliError(EXIT_CODES.usage.code, "usage", message);
}

function listText({ data }: Compatibility, limit: number, styles: Styles): string {
  if (data.length === 0) return `There is no such result yet; a load records one: lmx load <model>`;
  const shown = data.slice(0, limit);
  const header = ["WHEN (UTC)", "MODEL", "BACKEND", "VERSION", "OUTCOME"];
  const [head = "", ...lines] = formatTable([header, ...shown.map(row)], (cell, index, column) => {
    if (index === 0) return styles.bold(cell);
    const outcome = shown[index - 1]?.outcome ?? "";
    return column === OUTCOME_COLUMN ? outcomeStyle(outcome, styles)(cell) : cell;
  });
  const body = shown.flatMap(({ reason }, index) => [
    lines[index] ?? "",
    ...(reason === null ? [] : [`  ${printable(reason)}`]),
  ]);
  const hidden = data.length - shown.length;
  const more = hidden === 0 ? [] : ["", `${hidden} older: lmx compat --limit ${data.length}`];
  return [head, ...body, ...more].join("\n");
}

function row({ ts, model, backend, backend_version, outcome }: RegistryEntry): string[] {
  return [minuteOf(ts), printable(model), printable(backend), printable(backend_version), outcome];
}
