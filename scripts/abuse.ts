import { join } from "node:path";
import { parseArgs } from "node:util";
import { ABUSE_MATRIX } from "../test/abuse/matrix.ts";
import { runLoudly } from "./run-step.ts";

/** The whole abuse suite with its real bounds: `npm run abuse`, or `npm run abuse -- --only B1,C3` for some rows. */
const ROOT = join(import.meta.dirname, "..");
const EXIT_USAGE = 64;
const IDS = Object.keys(ABUSE_MATRIX);

const HELP = `Usage: npm run abuse -- [--only ROW,…] [test files]

Does to a real service what a hostile client, model or worker would, on this machine alone, and sees that nobody else
notices. Prints for each row how late /livez was, the supervisor's memory before, at its peak and after, and how much
longer a bystander's streams took. Takes about a quarter of an hour and stops by itself.

  --only ROW,…  these rows
  -h, --help    this text

Rows (docs/abuse.md): ${IDS.join(" ")}`;

const { values, positionals } = readArguments();
if (values.help === true) {
  console.log(HELP);
  process.exit(0);
}
const wanted = values.only?.split(",") ?? [];
const unknown = wanted.filter((id) => !IDS.includes(id));
if (unknown.length > 0) {
  console.error(`There is no row ${unknown.join(", ")}; the rows are ${IDS.join(", ")}.`);
  process.exit(EXIT_USAGE);
}
const filter = wanted.length === 0 ? [] : ["-t", `\\b(?:${wanted.join("|")}): `];
const vitest = join(ROOT, "node_modules", ".bin", "vitest");

process.exitCode = await runLoudly({
  name: "abuse",
  // One file after the other: speed is judged.
  command: [vitest, "run", "test/abuse", "--no-file-parallelism", ...filter, ...positionals],
  cwd: ROOT,
  env: { ...process.env, ABUSE: "all" },
});

function readArguments() {
  try {
    const options = { only: { type: "string" }, help: { type: "boolean", short: "h" } } as const;
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(EXIT_USAGE);
  }
}
