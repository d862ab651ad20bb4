import { join } from "node:path";
import { configPaths } from "../config/load-config.ts";
import { logFileIn, workerLogIn } from "../host/log-file.ts";
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
  summary: "show the supervisor's log, or what a model's workers wrote to stderr",
  options: {
    lines: { type: "string", short: "n" },
    follow: { type: "boolean", short: "f" },
    model: { type: "string", short: "m" },
    level: { type: "string", short: "l" },
    worker: { type: "boolean", short: "w" },
    json: { type: "boolean" },
  },
  help: `Reads logs/supervisor.log in the state directory, and the older files beside it when the lines asked for are there.
With --worker it reads logs/workers/<model>.log: everything the model's workers, also those of before, wrote to stderr.
Needs no running supervisor. Readable on a terminal; into a pipe or file the JSON lines as they were written.

Options:
  -n, --lines N     the last N lines that match (default ${DEFAULT_LINES})
  -f, --follow      go on with lines as they are written, until Ctrl-C
  -m, --model ID    only what concerns this model
  -l, --level LEVEL trace, debug, info, warn, error or fatal: only this level and above
  -w, --worker      what the workers of the model wrote to stderr; with --model
  --json            JSON lines on a terminal too

Examples:
  lmx logs --follow
  lmx logs --level warn -n 200
  lmx logs --model lmx-demo --json | jq -r .msg
  lmx logs --model lmx-demo --worker --follow`,
  run: async (input) => {
    const { io, values } = input;
    const path = logPath(input);
    const limit = numberOption(values, "lines", { min: 0, max: 1_000_000, whole: true }) ?? DEFAULT_LINES;
    const filter = filterOf(input);
    const isPretty = io.stdout.isTTY === true && values.json !== true;
    const show = isPretty ? prettyLog(io) : (line: LogLine) => io.stdout.write(`${line.text}\n`);
    const isWanted = (text: string) => matches(parseLogLine(text), filter);
    const { lines, end } = await lastLines(path, limit, isWanted).catch((error: unknown) => {
      throw unreadable(path, error);
    });
    if (end === null && values.follow !== true) throw noLog(path, input);
    for (const text of lines) show(parseLogLine(text));
    if (values.follow !== true) return EXIT_CODES.ok.code;
    for await (const text of followLog(path, end ?? 0, io.delay)) {
      const line = parseLogLine(text);
      if (matches(line, filter)) show(line);
    }
    return EXIT_CODES.ok.code;
  },
};

function logPath(input: CommandInput): string {
  const { io, values } = input;
  const directory = join(configPaths({ env: io.env }).stateDirectory, "logs");
  if (values.worker !== true) return logFileIn(directory);
  const model = textOption(values, "model");
  if (model === undefined)
    throw new CliError(EXIT_CODES.usage.code, "usage", "--worker: whose? Name it with --model ID.");
  return workerLogIn(directory, model);
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

function unreadable(path: string, error: unknown): unknown {
  if (!(error instanceof Error && "code" in error)) return error;
  const message = `The log at ${path} cannot be read: ${error.message}. Its supervisor may run as another user.`;
  return new CliError(EXIT_CODES.unavailable.code, "no_log", message);
}

function noLog(path: string, { values }: CommandInput): CliError {
  const message =
    values.worker === true
      ? `There is no log at ${path}: no worker of this model has run yet. "lmx models" lists the models by their ids.`
      : `There is no log at ${path}: no supervisor ran on this state directory yet. Start one with "lmx serve".`;
  return new CliError(EXIT_CODES.unavailable.code, "no_log", message);
}
