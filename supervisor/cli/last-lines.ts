import { createInterface } from "node:readline";
import { isMissing, logFilesOf } from "../host/log-file.ts";
import { openRegularFile } from "../host/regular-file.ts";

export interface LastLines {
  /** Oldest first. */
  readonly lines: readonly string[];
  /** Bytes of the newest file that were read; null when there is no such file. */
  readonly end: number | null;
}

/** The last lines that match, from the newest file and as many older ones as it takes. */
export async function lastLines(
  path: string,
  limit: number,
  isWanted: (line: string) => boolean,
): Promise<LastLines> {
  let lines: string[] = [];
  let end: number | null = null;
  for (const file of logFilesOf(path)) {
    const found = await matchingLines(file, limit - lines.length, isWanted);
    if (file === path) end = found?.bytes ?? null;
    lines = [...(found?.lines ?? []), ...lines];
    if (lines.length >= limit) break;
  }
  return { lines, end };
}

async function matchingLines(
  file: string,
  limit: number,
  isWanted: (line: string) => boolean,
): Promise<{ readonly lines: string[]; readonly bytes: number } | null> {
  let lines: string[] = [];
  try {
    const stream = (await openRegularFile(file)).createReadStream();
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line === "" || !isWanted(line)) continue;
      lines.push(line);
      if (lines.length > 2 * limit) lines = lines.slice(-limit);
    }
    return { lines: limit === 0 ? [] : lines.slice(-limit), bytes: stream.bytesRead };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
