import type { SweepResult } from "../../shared/admin-sweep.ts";
import { outcomeStyle } from "./compat-query.ts";
import { formatBytes, formatTable, printable } from "./printable.ts";
import type { Styles } from "./styles.ts";

/** One line of the table: an architecture, or a model. */
export type SweepLine = Omit<SweepResult, "arch" | "limit"> & { readonly name: string };

const OUTCOME_COLUMN = 1;

/** What was tried and how it went, one line each. */
export function sweepTable(title: string, lines: readonly SweepLine[], styles: Styles): string[] {
  const header = [title, "OUTCOME", "LOAD", "PEAK MEMORY", "REASON"];
  return formatTable([header, ...lines.map(cells)], (padded, row, column) => {
    if (row === 0) return styles.bold(padded);
    return column === OUTCOME_COLUMN ? outcomeStyle(lines[row - 1]?.outcome ?? "", styles)(padded) : padded;
  });
}

/** `131 passed, 6 failed (5 with a known limit), 1 skipped`. */
export function sweepCounts(results: readonly SweepResult[]): string {
  const count = (outcome: SweepResult["outcome"]) => results.filter((one) => one.outcome === outcome).length;
  const known = count("fail") - unexpectedFailures(results).length;
  const limits = known === 0 ? "" : ` (${known} with a known limit)`;
  return `${count("pass")} passed, ${count("fail")} failed${limits}, ${count("skipped")} skipped`;
}

/** Failures nobody knew of. */
export function unexpectedFailures(results: readonly SweepResult[]): SweepResult[] {
  return results.filter(({ outcome, limit }) => outcome === "fail" && limit === null);
}

function cells({ name, outcome, load_seconds, peak_memory_bytes, reason }: SweepLine): string[] {
  return [
    printable(name),
    outcome,
    load_seconds === null ? "-" : `${load_seconds.toFixed(load_seconds < 10 ? 2 : 0)} s`,
    formatBytes(peak_memory_bytes),
    printable(reason ?? ""),
  ];
}
