import { CONTROL_CHARACTERS, CONTROL_CHARACTERS_IN_LINES } from "../../shared/control-characters.ts";
import { humanBytes } from "../policy/human-bytes.ts";

/** Text from elsewhere, harmless in a terminal: a directory name may hold escape sequences. */
export function printable(text: string): string {
  return text.replaceAll(CONTROL_CHARACTERS, "\ufffd");
}

/** The same for text of several lines: line ends and tabs stay. */
export function printableLines(text: string): string {
  return text.replaceAll(CONTROL_CHARACTERS_IN_LINES, "\ufffd");
}

/** `1.4 GiB`; `-` for an unknown size. */
export function formatBytes(bytes: number | null): string {
  return bytes === null ? "-" : humanBytes(bytes);
}

/** `8s`, `4m`, `3h`, `2d`: how long something lasts, roughly. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1_000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/**
 * Rows as aligned columns, two spaces apart, without trailing spaces; as many columns as the first row has.
 * @param style how a padded cell is set off; the first row is the header
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  style: (padded: string, row: number, column: number) => string = (padded) => padded,
): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((cells, row) => {
    const last = cells.findLastIndex((cell) => cell !== "");
    return cells
      .slice(0, last + 1)
      .map((cell, column) =>
        style(column === last ? cell.trimEnd() : cell.padEnd(widths[column] ?? 0), row, column),
      )
      .join("  ");
  });
}

/** The beginning of a line that fits into so many columns; colours cost none and are ended. */
export function cutLine(line: string, columns: number): string {
  let left = columns;
  let isCut = false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences
  const kept = line.replaceAll(/\u001b\[\d+m|./gsu, (piece) => {
    if (piece.startsWith("\u001b")) return piece;
    left -= 1;
    isCut ||= left < 0;
    return left < 0 ? "" : piece;
  });
  return isCut && columns > 1 ? `${cutLine(line, columns - 1)}\u2026` : kept;
}
