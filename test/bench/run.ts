import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  ArgumentError,
  BENCH_HELP,
  type BenchArguments,
  commandOf,
  parseBenchArguments,
} from "./arguments.ts";
import { BenchContext } from "./bench-context.ts";
import type { FigureResult } from "./figure.ts";
import { FIGURES } from "./figures.ts";
import { type MachineFacts, machineFacts } from "./machine-facts.ts";
import { measureFigure } from "./measure-figures.ts";
import { renderTable } from "./render-table.ts";
import { replaceSection } from "./replace-section.ts";
import { formatRun, mergeRuns, parseRun, renderRun, type SavedRun } from "./saved-run.ts";
import { preparePlaces } from "./servers/places.ts";

const DOCS = join(import.meta.dirname, "../../docs");
const USAGE_ERROR = 64;
const INTERRUPTED = 130;

process.exitCode = await main();

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    console.log(BENCH_HELP);
    return 0;
  }
  const names = FIGURES.map((figure) => figure.name);
  try {
    const options = parseBenchArguments(args, names);
    if (!options.list) return await bench(options);
    console.log(FIGURES.map(({ name, title, unit }) => `${name.padEnd(28)}${title}, ${unit}`).join("\n"));
    return 0;
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    console.error(`${error.message}\nnpm run bench -- --help lists the flags.`);
    return USAGE_ERROR;
  }
}

async function bench(options: BenchArguments): Promise<number> {
  const places = await preparePlaces(options.openBlas);
  const context = new BenchContext(places, options.quick);
  const interrupted = () => void context.dispose().then(() => process.exit(INTERRUPTED));
  // Not once: a second Ctrl-C would end the driver before its children have gone.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupted);
  const facts = machineFacts(places);
  console.error(`${facts.machine}; ${facts.blas}; load ${facts.load.toFixed(1)}`);
  const results: FigureResult[] = [];
  try {
    for (const figure of FIGURES)
      if (options.only.length === 0 || options.only.includes(figure.name))
        results.push(await measureFigure(figure, context, options.rounds, showProgress));
  } finally {
    await context.dispose();
  }
  await report(options, facts, results);
  return results.some(({ failures }) => Object.keys(failures).length > 0) ? 1 : 0;
}

async function report(
  options: BenchArguments,
  facts: MachineFacts,
  results: readonly FigureResult[],
): Promise<void> {
  console.log(`\n${renderTable(results)}`);
  const about = { command: commandOf(options), ...facts };
  const figures = results.map(({ figure: { name, unit }, ...measured }) => ({ name, unit, ...measured }));
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify({ ...about, figures })}\n`);
  if (options.save) await save({ about, figures }, options.only.length > 0);
}

async function save(run: SavedRun, isPart: boolean): Promise<void> {
  const file = join(DOCS, "benchmarks", "latest.jsonl");
  const whole = isPart ? mergeRuns(parseRun(await readFile(file, "utf8")), run) : run;
  await writeFile(file, formatRun(whole));
  const page = join(DOCS, "benchmarks.md");
  const section = renderRun(whole, FIGURES);
  await writeFile(page, replaceSection(await readFile(page, "utf8"), "results", section));
}

/** On a terminal a running measurement is overwritten by its result; elsewhere only results are written. */
function showProgress(text: string): void {
  const running = text.endsWith("…");
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}${running ? "" : "\n"}`);
  else if (!running) process.stderr.write(`${text}\n`);
}
