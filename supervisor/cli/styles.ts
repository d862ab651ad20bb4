import type { CliIo, CliOutput } from "./command.ts";

/** Ways to set text off; on anything but a terminal that wants colours they leave it as it is. */
export interface Styles {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** Colours for a terminal, unless NO_COLOR is set (no-color.org) or the terminal is a dumb one. */
export function stylesFor(output: CliOutput, env: CliIo["env"]): Styles {
  const coloured = hasColours(output, env);
  const style = (on: number, off: number) => (text: string) =>
    coloured ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  return {
    bold: style(1, 22),
    dim: style(2, 22),
    red: style(31, 39),
    green: style(32, 39),
    yellow: style(33, 39),
  };
}

export function hasColours(output: CliOutput, env: CliIo["env"]): boolean {
  return output.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}
