import type { Command } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { formatTable } from "./printable.ts";

/** What `lmx --help` prints. */
export function generalHelp(commands: readonly Command[]): string {
  const list = formatTable(commands.map((command) => [`  ${usageOf(command)}`, command.summary]));
  const codes = formatTable(Object.values(EXIT_CODES).map(({ code, meaning }) => [`  ${code}`, meaning]));
  return `lmx - serve MLX language models from isolated processes: a crash costs a pause, never the API

Usage: lmx <command> [options]

Commands:
${list.join("\n")}

  lmx <command> --help   what a command does, its options and examples
  lmx --version          the version

First steps:
  lmx serve              in one terminal: the API with a small demo model
  lmx run lmx-demo       in another: talk to it
  lmx doctor             when something is missing

Exit codes:
${codes.join("\n")}
`;
}

/** What `lmx <command> --help` prints. */
export function commandHelp(command: Command): string {
  return `lmx ${command.name} - ${command.summary}

Usage: lmx ${usageOf(command)} [options]

${command.help}
`;
}

/** `run <model> [prompt...]`. */
export function usageOf(command: Command): string {
  const rest = command.rest === undefined ? [] : [`[${command.rest}...]`];
  return [command.name, ...command.arguments.map((name) => `<${name}>`), ...rest].join(" ");
}
