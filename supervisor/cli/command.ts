import type { ParseArgsOptionDescriptor } from "node:util";
import type { ConfigFlags } from "../config/config-sources.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/** Where a command writes; process.stdout and process.stderr fit. */
export interface CliOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Size of the terminal. */
  readonly columns?: number;
  readonly rows?: number;
}

/** Where a command reads; process.stdin fits. */
export interface CliInput extends NodeJS.ReadableStream {
  readonly isTTY?: boolean;
  /** Descriptor, to learn whether it is a pipe, a file or neither. */
  readonly fd?: number;
  /** Keys one by one and unechoed, Ctrl-C among them. */
  setRawMode?(on: boolean): unknown;
}

/** What a command reads, writes and knows of its surroundings. */
export interface CliIo {
  readonly stdout: CliOutput;
  readonly stderr: CliOutput;
  /** Absent: nothing to read. */
  readonly stdin?: CliInput;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** May stderr show progress that overwrites itself? */
  readonly isTTY: boolean;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Resolves after that many milliseconds. */
  readonly delay?: (delayMs: number) => Promise<void>;
}

/** What the commands need from the rest of the program. */
export interface CliServices {
  readonly version: string;
  /** Runs the supervisor until it is stopped; resolves with the exit code. */
  serve(flags: ConfigFlags): Promise<number>;
}

/** Parsed options by name. */
export type CliValues = Readonly<Record<string, string | boolean | undefined>>;

export interface CommandInput {
  readonly values: CliValues;
  readonly positionals: readonly string[];
  readonly io: CliIo;
  readonly services: CliServices;
}

export interface Command {
  /** One word, or two as in `config show`. */
  readonly name: string;
  /** Names of the required arguments, for the usage line and the count. */
  readonly arguments: readonly string[];
  /** What the first argument may be, where that is known. */
  readonly choices?: readonly string[];
  /** What any further words are, where there may be some. */
  readonly rest?: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `lmx <name> --help` says below the usage line. */
  readonly help: string;
  readonly options: Readonly<Record<string, ParseArgsOptionDescriptor & { type: "string" | "boolean" }>>;
  /** Resolves with the exit code. */
  run(input: CommandInput): Promise<number>;
}

/** A failure the user can act on; runCli prints it and exits with its code. */
export class CliError extends Error {
  readonly exitCode: number;
  /** Machine-readable word for `--json`. */
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>> | null;

  constructor(
    exitCode: number,
    code: string,
    message: string,
    details: Readonly<Record<string, unknown>> | null = null,
  ) {
    super(message);
    this.name = "CliError";
    this.exitCode = exitCode;
    this.code = code;
    this.details = details;
  }
}

/** Of `config show` both words. */
export function wordsOf({ name }: Command): string[] {
  return name.split(" ");
}

/** The value of an option that takes text. */
export function textOption(values: CliValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/**
 * The value of an option that takes a number.
 * @throws CliError when it is none, or outside the bounds
 */
export function numberOption(
  values: CliValues,
  name: string,
  { min, max, whole = false }: { readonly min: number; readonly max: number; readonly whole?: boolean },
): number | undefined {
  const text = textOption(values, name);
  if (text === undefined) return undefined;
  const number = text.trim() === "" ? Number.NaN : Number(text);
  if (number >= min && number <= max && (!whole || Number.isSafeInteger(number))) return number;
  const kind = whole ? "a whole number" : "a number";
  const message = `--${name}: expected ${kind} from ${min} to ${max}, got ${JSON.stringify(text.slice(0, 60))}.`;
  throw new CliError(EXIT_CODES.usage.code, "usage", message);
}
