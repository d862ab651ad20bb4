import { z } from "zod";
import { printableLines } from "./printable.ts";

/** As pino numbers them. */
export const LOG_LEVELS = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const;

/** A line of the log and what it says; a line that is no JSON object is shown as it is. */
export interface LogLine {
  readonly text: string;
  /** Null: not written by our logger. */
  readonly fields: Readonly<Record<string, unknown>> | null;
}

export interface LogFilter {
  /** Lowest number of a level. */
  readonly level: number;
  /** Id of the model; null: any line. */
  readonly model: string | null;
}

const fieldsSchema = z.record(z.string(), z.unknown());

/** The strings in it are harmless in a terminal: they may come from a worker's stderr. */
export function parseLogLine(text: string): LogLine {
  try {
    const value: unknown = JSON.parse(text, (_, item: unknown) =>
      typeof item === "string" ? printableLines(item) : item,
    );
    const fields = fieldsSchema.safeParse(value);
    return { text, fields: fields.success ? fields.data : null };
  } catch {
    return { text, fields: null };
  }
}

export function matches({ fields }: LogLine, { level, model }: LogFilter): boolean {
  // Half a line, from a disk that was full: it has no level and belongs to nobody.
  if (fields === null) return level === 0 && model === null;
  if (typeof fields.level === "number" && fields.level < level) return false;
  return model === null || fields.model === model;
}
