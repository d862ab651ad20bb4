import type { Compatibility } from "../../shared/admin.ts";
import type { Command } from "./command.ts";
import { askCompatibility, COMPAT_HELP, COMPAT_OPTIONS, minuteOf } from "./compat-query.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { formatTable, printable } from "./printable.ts";
import { type Styles, stylesFor } from "./styles.ts";

type Regressions = Compatibility["regressions"];

export const compatRegressionsCommand: Command = {
  name: "compat regressions",
  arguments: [],
  summary: "list models that passed on an older version of their backend and fail on a newer one",
  options: COMPAT_OPTIONS,
  help: `Lists every model and version on which the model fails although it passed on an older one, unless it passed there
since. Exits 0 whether there are any or not: the list is the answer. A script can ask with --json, as below.

Options:
${COMPAT_HELP}

Examples:
  lmx compat regressions
  lmx compat regressions --json | jq -e '.regressions == []'`,
  run: async (input) => {
    const { io, values } = input;
    // The rows themselves are not shown.
    const { regressions } = await askCompatibility(input, { outcome: undefined, limit: "1" });
    const text =
      values.json === true
        ? JSON.stringify({ regressions }, null, 2)
        : regressionsText(regressions, stylesFor(io.stdout, io.env));
    io.stdout.write(`${text}\n`);
    return EXIT_CODES.ok.code;
  },
};

function regressionsText(regressions: Regressions, styles: Styles): string {
  if (regressions.length === 0)
    return "No regressions: nothing that passed on an older version fails on a newer one.";
  const header = ["MODEL", "BACKEND", "PASSED ON", "FAILS ON", "SINCE (UTC)"];
  const rows = regressions.map(({ model, backend, passed_on, failed_on, ts }) => [
    ...[model, backend, passed_on, failed_on].map(printable),
    minuteOf(ts),
  ]);
  const [head = "", ...lines] = formatTable([header, ...rows], (cell, row) =>
    row === 0 ? styles.bold(cell) : cell,
  );
  const body = regressions.flatMap(({ reason }, index) => [
    lines[index] ?? "",
    ...(reason === null ? [] : [`  ${printable(reason)}`]),
  ]);
  return [head, ...body].join("\n");
}
