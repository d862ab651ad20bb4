import type { ParseArgsOptionDescriptor } from "node:util";
import type { ConfigFlags } from "../config/config-sources.ts";

/** Where a command reads and writes; process.stdout and process.stderr fit. */
export interface CliIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
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
  readonly name: string;
  /** Names of the arguments, all required, for the usage line and the count. */
  readonly arguments: readonly string[];
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

/** The value of an option that takes text. */
export function textOption(values: CliValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}
