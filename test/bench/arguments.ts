import { parseArgs } from "node:util";

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
    return parseArgs({
      args: [...args],
      options: {
        only: { type: "string", multiple: true },
        rounds: { type: "string" },
        quick: { type: "boolean" },
        json: { type: "string" },
        "no-openblas": { type: "boolean" },
        save: { type: "boolean" },
        list: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new ArgumentError((error as Error).message);
  }
}
