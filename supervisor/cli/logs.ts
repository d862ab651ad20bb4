import { join } from "node:path";
import { logFileIn } from "../host/log-file.ts";
import { loadConfig } from "../load-config.ts";
import { CliError, type Command, type CommandInput, numberOption, textOption } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { followLog } from "./follow-log.ts";
import { lastLines } from "./last-lines.ts";
import { LOG_LEVELS, type LogFilter, type LogLine, matches, parseLogLine } from "./log-line.ts";
import { prettyLog } from "./pretty-log.ts";

const DEFAULT_LINES = 50;

export const logsCommand: Command = {
  name: "logs",
  arguments: [],
  summary: "show the supervisor's log, of one model or from some level on",
  options: {
    lines: { type: "string", short: "n" },
    follow: { type: "boolean", short: "f" },
    model: { type: "string", short: "m" },
    level: { type: "string", short: "l" },
    config: { type: "string" },
    json: { type: "boolean" },
  },
  help: `Reads logs/supervisor.log in the state directory, and the older files beside it when the lines asked for are there.
Needs no running supervisor. Readable on a terminal; into a pipe or file the JSON lines as they were written.

Options:
  -n, --lines N     the last N lines that match (default ${DEFAULT_LINES})
  -f, --follow      go on with lines as they are written, until Ctrl-C
  -m, --model ID    only what concerns this model
  -l, --level LEVEL trace, debug, info, warn, error or fatal: only this level and above
  --config FILE     the configuration whose state directory is meant
  --json            JSON lines on a terminal too

Examples:
  lmx logs --follow
  lmx logs --level warn -n 200
  lmx logs --model lmx-demo --json | jq -r .msg`,
  run: async (input) => {
    const { io, values } = input;
    const path = logFileIn(join(stateDirectory(input), "logs"));
    const limit = numberOption(values, "lines", { min: 0, max: 1_000_000, whole: true }) ?? DEFAULT_LINES;
    const filter = filterOf(input);
    const isPretty = io.stdout.isTTY === true && values.json !== true;
    const show = isPretty ? prettyLog(io) : (line: LogLine) => io.stdout.write(`${line.text}\n`);
    const { lines, end } = await lastLines(path, limit, (text) => matches(parseLogLine(text), filter));
    if (end === null && values.follow !== true) throw noLog(path);
    for (const text of lines) show(parseLogLine(text));
    if (values.follow !== true) return EXIT_CODES.ok.code;
    for await (const text of followLog(path, end ?? 0, io.delay)) {
      const line = parseLogLine(text);
      if (matches(line, filter)) show(line);
    }
    return EXIT_CODES.ok.code;
  },
};

function stateDirectory({ io, values }: CommandInput): string {
  const file = textOption(values, "config");
  return loadConfig({ flags: file === undefined ? {} : { config: file }, env: io.env }).paths.stateDirectory;
}

function filterOf({ values }: CommandInput): LogFilter {
  const level = textOption(values, "level");
  if (level !== undefined && !Object.hasOwn(LOG_LEVELS, level)) {
    const message = `--level: expected one of ${Object.keys(LOG_LEVELS).join(", ")}, got ${JSON.stringify(level.slice(0, 40))}.`;
    throw new CliError(EXIT_CODES.usage.code, "usage", message);
  }
  return {
    level: level === undefined ? 0 : LOG_LEVELS[level as keyof typeof LOG_LEVELS],
    model: textOption(values, "model") ?? null,
  };
}

function noLog(path: string): CliError {
  const message = `There is no log at ${path}: no supervisor ran on this state directory yet. Start one with "lmx serve".`;
  return new CliError(EXIT_CODES.unavailable.code, "no_log", message);
}
