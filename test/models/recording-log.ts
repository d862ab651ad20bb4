import type { ScanLog } from "../../supervisor/models/scan-reporter.ts";

export interface RecordedLine {
  readonly level: "info" | "warn";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A log that keeps what it is told. */
export function recordingLog(): ScanLog & { readonly lines: RecordedLine[] } {
  const lines: RecordedLine[] = [];
  const keep = (level: RecordedLine["level"]) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...fields }, message });
  return { lines, info: keep("info"), warn: keep("warn") };
}
