import { prettyFactory } from "pino-pretty";
import type { CliIo } from "./command.ts";
import type { LogLine } from "./log-line.ts";
import { printable } from "./printable.ts";
import { hasColours } from "./styles.ts";

/** Writes log lines for people. */
export function prettyLog({ stdout, env }: Pick<CliIo, "stdout" | "env">): (line: LogLine) => void {
  const pretty = prettyFactory({
    colorize: hasColours(stdout, env),
    singleLine: true,
    translateTime: "SYS:yyyy-mm-dd HH:MM:ss",
  });
  return ({ text, fields }) => {
    stdout.write(fields === null ? `${printable(text)}\n` : pretty({ ...fields }));
  };
}
