import { parseArgs } from "node:util";
import { ConfigError } from "../config/config-problem.ts";
import { nearestNames } from "../models/nearest-names.ts";
import {
  CliError,
  type CliIo,
  type CliServices,
  type Command,
  type CommandInput,
  wordsOf,
} from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { commandHelp, generalHelp, usageOf } from "./help.ts";
import { printable } from "./printable.ts";
import { serveCommand } from "./serve.ts";

/**
 * Runs one command line, `argv` without node and script, and resolves with the exit code.
 * What goes wrong is printed, not thrown; with `--json` it is printed as `{"error": {"code", "message", "details"}}`.
 */
export async function runCli(argv: readonly string[], io: CliIo, services: CliServices): Promise<number> {
  try {
    return await dispatch(argv, io, services);
  } catch (thrown) {
    return report(thrown, argv.includes("--json"), io);
  }
}

async function dispatch(argv: readonly string[], io: CliIo, services: CliServices): Promise<number> {
  const [name = "--help"] = argv;
  if (name === "--version" || name === "-V") return print(io, `lmx ${services.version}\n`);
  if (name === "--help" || name === "-h" || name === "help") {
    const topic = argv.slice(1);
    const { COMMANDS } = await import("./commands.ts");
    return print(io, topic.length === 0 ? generalHelp(COMMANDS) : commandHelp(findCommand(COMMANDS, topic)));
  }
  const command = findCommand(await commandsFor(name), argv);
  const { values, positionals } = parse(command, argv.slice(wordsOf(command).length));
  if (values.help === true) return print(io, commandHelp(command));
  checkArguments(command, positionals);
  return await command.run({ values, positionals, io, services });
}

function print(io: CliIo, text: string): number {
  io.stdout.write(text);
  return EXIT_CODES.ok.code;
}

/** All commands; for a service, which keeps for months what it loads, only its own. */
async function commandsFor(name: string): Promise<readonly Command[]> {
  return name === serveCommand.name ? [serveCommand] : (await import("./commands.ts")).COMMANDS;
}

/** The command the line begins with; of `compat` and `compat matrix` the one that takes more of its words. */
function findCommand(commands: readonly Command[], argv: readonly string[]): Command {
  const [command] = commands
    .filter((candidate) => wordsOf(candidate).every((word, index) => argv[index] === word))
    .toSorted((a, b) => wordsOf(b).length - wordsOf(a).length);
  if (command !== undefined && !isMistyped(commands, command, argv)) return command;
  const [name = "", second = ""] = argv;
  const siblings = commands.filter((candidate) => wordsOf(candidate)[0] === name).map((one) => one.name);
  const names = siblings.length === 0 ? commands.map((candidate) => candidate.name) : siblings;
  const typed = siblings.length === 0 ? name : `${name} ${second}`.trimEnd();
  const nearest = nearestNames(typed, names, 1)[0] ?? siblings[0];
  const hint = nearest === undefined ? "" : ` Did you mean "lmx ${nearest}"?`;
  throw usageError(`There is no command "${printable(typed)}".${hint} "lmx --help" lists them.`);
}

/** Whether a word follows a command that takes none but has others, of two words, beside it: `compat matrx`. */
function isMistyped(commands: readonly Command[], command: Command, argv: readonly string[]): boolean {
  const next = argv[wordsOf(command).length] ?? "-";
  const takesWords = command.arguments.length > 0 || command.rest !== undefined;
  const hasOthers = commands.some(({ name }) => name.startsWith(`${command.name} `));
  return hasOthers && !takesWords && !next.startsWith("-");
}

function parse(command: Command, args: readonly string[]): Pick<CommandInput, "values" | "positionals"> {
  const options = { ...command.options, help: { type: "boolean", short: "h" } } as const;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    });
    return { values: onlySingle(values), positionals };
  } catch (thrown) {
    throw usageError(
      `${optionProblem(thrown, args, spellingsOf(options))} "lmx ${command.name} --help" explains them.`,
    );
  }
}

function spellingsOf(options: Readonly<Record<string, { readonly short?: string }>>): string[] {
  return Object.entries(options).flatMap(([name, { short }]) =>
    short === undefined ? [name] : [name, short],
  );
}

/** No option is repeatable, so no value is a list. */
function onlySingle(values: Readonly<Record<string, unknown>>): CommandInput["values"] {
  const single = Object.entries(values).flatMap(([name, value]): [string, string | boolean][] =>
    typeof value === "string" || typeof value === "boolean" ? [[name, value]] : [],
  );
  return Object.fromEntries(single);
}

function optionProblem(thrown: unknown, args: readonly string[], known: readonly string[]): string {
  if (!(thrown instanceof Error) || !("code" in thrown)) throw thrown;
  if (thrown.code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION") return printable(thrown.message.replace(/\.?$/, "."));
  const isKnown = (arg: string): boolean => known.includes(arg.replace(/^-+/, "").replace(/=.*$/s, ""));
  const unknown = args.find((arg) => arg.startsWith("-") && !isKnown(arg)) ?? "";
  const [nearest] = nearestNames(unknown.replace(/^-+/, ""), known, 1);
  return `There is no option ${printable(unknown)}.${nearest === undefined ? "" : ` Did you mean --${nearest}?`}`;
}

function checkArguments(command: Command, positionals: readonly string[]): void {
  const required = command.arguments.length;
  const isEnough =
    command.rest === undefined ? positionals.length === required : positionals.length >= required;
  if (isEnough && !positionals.slice(0, required).includes("")) return;
  throw usageError(
    `Expected "lmx ${usageOf(command)}", got ${positionals.length} argument${positionals.length === 1 ? "" : "s"}.`,
  );
}

function usageError(message: string): CliError {
  return new CliError(EXIT_CODES.usage.code, "usage", message);
}

function report(thrown: unknown, asJson: boolean, io: CliIo): number {
  const error = thrown instanceof CliError ? thrown : unforeseen(thrown);
  const { code, message, details } = error;
  if (asJson) io.stdout.write(`${JSON.stringify({ error: { code, message, details } }, null, 2)}\n`);
  else io.stderr.write(`lmx: ${message}\n${checksText(details)}`);
  return error.exitCode;
}

function unforeseen(thrown: unknown): CliError {
  if (thrown instanceof ConfigError) {
    return new CliError(EXIT_CODES.config.code, "invalid_config", thrown.message);
  }
  const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return new CliError(EXIT_CODES.software.code, "internal_error", `this is a bug: ${message}`);
}

/** The checks of a refused load: the message names the first, the others explain it. */
function checksText(details: CliError["details"]): string {
  const checks = Array.isArray(details?.checks) ? (details.checks as unknown[]) : [];
  const lines = checks.flatMap((check) => {
    if (typeof check !== "object" || check === null || !("name" in check) || !("detail" in check)) return [];
    const status = "status" in check ? `${String(check.status)}  ` : "";
    return [`  ${status}${printable(`${String(check.name)}: ${String(check.detail)}`)}\n`];
  });
  return lines.join("");
}
