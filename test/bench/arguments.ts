import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { type FlagWords, flagLines } from "../support/flag-help.ts";

export interface BenchArguments {
  /** Names of figures; empty means all. */
  readonly only: readonly string[];
  readonly rounds: number;
  /** Fewer tokens and samples per round: to see that it works, not to quote. */
  readonly quick: boolean;
  /** Where raw samples go besides what `save` writes. */
  readonly json: string | null;
  /** Preload the system's OpenBLAS into every Python process, or into none. */
  readonly openBlas: boolean;
  /** Write the table of docs/benchmarks.md and the raw samples beside it; with `only`, of these figures. */
  readonly save: boolean;
  readonly list: boolean;
}

export class ArgumentError extends Error {}

const DEFAULT_ROUNDS = 5;
const QUICK_ROUNDS = 2;

const OPTIONS = {
  only: { type: "string", multiple: true },
  rounds: { type: "string" },
  quick: { type: "boolean" },
  json: { type: "string" },
  "no-openblas": { type: "boolean" },
  save: { type: "boolean" },
  list: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

const FLAGS: Readonly<Record<keyof typeof OPTIONS, FlagWords>> = {
  only: { value: "NAMES", fallback: "all figures", meaning: "names with commas between; may be given again" },
  rounds: {
    value: "N",
    fallback: `${DEFAULT_ROUNDS}, with --quick ${QUICK_ROUNDS}`,
    meaning: "every side is measured once a round, in turn",
  },
  quick: { value: null, meaning: "less work per round: to see that it works, not to quote" },
  json: { value: "FILE", meaning: "raw samples" },
  "no-openblas": { value: null, meaning: "the wheel's own BLAS on all sides (Linux)" },
  save: { value: null, meaning: "write docs/benchmarks.md and its samples; with --only of these figures" },
  list: { value: null, meaning: "the figures by name" },
};

export const BENCH_HELP = `Measure the server against the bare engine and mlx_lm.server, in the same run on this machine.

Usage: npm run bench -- [flags]

${flagLines(FLAGS)}

Exit codes: 0 all were measured, 1 one could not be, 64 a wrong flag. docs/benchmarks.md tells what each figure is.

Examples:
  npm run bench -- --quick
  npm run bench -- --only listening,idle-memory --rounds 10`;

/** @throws ArgumentError saying what is possible */
export function parseBenchArguments(args: readonly string[], known: readonly string[]): BenchArguments {
  const values = parse(args);
  const only = (values.only ?? []).flatMap((names) => names.split(","));
  const unknown = only.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new ArgumentError(`--only takes ${known.join(", ")}; got ${JSON.stringify(unknown)}`);
  const quick = values.quick ?? false;
  const rounds =
    values.rounds === undefined ? (quick ? QUICK_ROUNDS : DEFAULT_ROUNDS) : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new ArgumentError(`--rounds takes a whole number from 1 to 100; got ${values.rounds}`);
  const save = values.save ?? false;
  if (save && quick) throw new ArgumentError("--save writes the published table; leave --quick out");
  return {
    only,
    rounds,
    quick,
    json: values.json ?? null,
    openBlas: !(values["no-openblas"] ?? false),
    save,
    list: values.list ?? false,
  };
}

/** The command that repeats a measurement; where its samples went does not matter for that. */
export function commandOf({ only, rounds, quick, openBlas }: BenchArguments): string {
  return [
    "npm run bench --",
    ...(only.length > 0 ? ["--only", only.join(",")] : []),
    "--rounds",
    rounds,
    ...(quick ? ["--quick"] : []),
    ...(openBlas ? [] : ["--no-openblas"]),
  ].join(" ");
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new ArgumentError((error as Error).message);
  }
}
