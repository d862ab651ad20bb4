import type { Compatibility } from "../../shared/admin.ts";
import { compareVersionTexts } from "../policy/admission/version-range.ts";
import type { Command } from "./command.ts";
import { askCompatibility, COMPAT_HELP, COMPAT_OPTIONS, outcomeStyle } from "./compat-query.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { formatTable, printable } from "./printable.ts";
import { type Styles, stylesFor } from "./styles.ts";

type Matrix = Compatibility["matrix"];
type Cell = Matrix[number]["cells"][number];

export const compatMatrixCommand: Command = {
  name: "compat matrix",
  arguments: [],
  summary: "show how each model went on each version of its backend",
  options: COMPAT_OPTIONS,
  help: `A table of models and backend versions, the oldest version on the left. "pass 3/4": it passed when it was last
tried, and in 3 of 4 tries. "-": never tried.

Options:
${COMPAT_HELP}

Examples:
  lmx compat matrix
  lmx compat matrix --backend mlx-lm --json | jq '.matrix[] | select(.cells[-1].outcome == "fail") | .model'`,
  run: async (input) => {
    const { io, values } = input;
    // The rows themselves are not shown.
    const { matrix } = await askCompatibility(input, { outcome: undefined, limit: "1" });
    const text =
      values.json === true
        ? JSON.stringify({ matrix }, null, 2)
        : matrixText(matrix, stylesFor(io.stdout, io.env));
    io.stdout.write(`${text}\n`);
    return EXIT_CODES.ok.code;
  },
};

function matrixText(matrix: Matrix, styles: Styles): string {
  if (matrix.length === 0) return "There is no such result yet; a load records one: lmx load <model>";
  const columns = columnsOf(matrix);
  const grid = matrix.map(({ model, cells }) => ({
    model,
    cells: columns.map((column) => cells.find((cell) => columnName(cell) === columnName(column))),
  }));
  const rows = grid.map(({ model, cells }) => [printable(model), ...cells.map(cellText)]);
  const header = ["MODEL", ...columns.map((column) => printable(columnName(column)))];
  const lines = formatTable([header, ...rows], (padded, index, column) => {
    if (index === 0) return styles.bold(padded);
    const cell = grid[index - 1]?.cells[column - 1];
    return cell === undefined ? padded : outcomeStyle(cell.outcome, styles)(padded);
  });
  return lines.join("\n");
}

/** One cell for each column, by backend and version. */
function columnsOf(matrix: Matrix): Cell[] {
  const cells = new Map(matrix.flatMap((row) => row.cells).map((cell) => [columnName(cell), cell]));
  return [...cells.values()].toSorted(
    (a, b) =>
      a.backend.localeCompare(b.backend, "en") || compareVersionTexts(a.backend_version, b.backend_version),
  );
}

function columnName({ backend, backend_version }: Cell): string {
  return `${backend} ${backend_version}`;
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return "-";
  const { outcome, passes, fails } = cell;
  return passes + fails === 0 ? outcome : `${outcome} ${passes}/${passes + fails}`;
}
