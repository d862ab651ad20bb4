import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Logger, pino } from "pino";
import { escapedJson } from "../../shared/control-characters.ts";
import { parseLogLine } from "../cli/log-line.ts";
import { prettyLog } from "../cli/pretty-log.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { LogFile, logFileIn } from "../host/log-file.ts";

/** A disk that hangs must not keep the process from ending. */
const FLUSH_TIMEOUT_MS = 2_000;
/** Of the log on stderr; `lmx logs` has all of it. */
const MOST_UNREAD_BYTES = 1024 * 1024;

/** The service's log while it runs. */
export interface ServiceLog {
  readonly log: Logger;
  /** Resolves when what was logged is written, or given up. */
  close(): Promise<void>;
}

/** JSON lines for machines, readable ones for a terminal, both on stderr; and JSON lines in a file for `lmx logs`. */
export function openServiceLog({ config, paths }: Pick<LoadedConfig, "config" | "paths">): ServiceLog {
  const path = logFileIn(join(paths.stateDirectory, "logs"));
  const file = new LogFile(path, {
    onProblem: (error) => log.warn({ path, error: error.message }, "the log file cannot be written"),
  });
  const show = showOnStderr();
  const write = (written: string) => {
    // Paths, names and last words in it may come from anybody, and the file will be read in a terminal too.
    const line = escapedJson(written);
    show(line);
    file.write(line);
  };
  // No pid and host name of our own: a line's pid is that of the worker it is about.
  const log = pino({ level: config.log_level, base: null }, { write });
  process.once("exit", () => file.flushSync());
  const late = () => wait(FLUSH_TIMEOUT_MS, undefined, { ref: false });
  return { log, close: () => Promise.race([file.close(), late()]) };
}

function showOnStderr(): (line: string) => void {
  const { stderr, env } = process;
  if (stderr.isTTY) {
    const pretty = prettyLog({ stdout: stderr, env });
    return (line) => pretty(parseLogLine(line));
  }
  // A reader of our pipe that does not read must not stop the service: what it has not taken is bounded, then left out.
  return (line) => {
    if (stderr.writableLength < MOST_UNREAD_BYTES) stderr.write(line);
  };
}
