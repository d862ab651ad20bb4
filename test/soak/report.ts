import { cpus, type as osType, release, totalmem } from "node:os";
import { commandOf, type SoakArguments } from "./arguments.ts";
import { type Gate, megabytes } from "./gates.ts";
import { SCALED } from "./soak-config.ts";
import type { SoakRun } from "./soak-run.ts";

/** What is known at the end of a run, as `--json` writes it. */
export type SoakReport = ReturnType<typeof reportOf>;

export interface RunEnd {
  readonly startedAt: Date;
  readonly elapsedMs: number;
  readonly gates: readonly Gate[];
  readonly steps: Readonly<Record<string, string>>;
  /** Of the supervisor, over the run. */
  readonly residentCurve: readonly number[];
}

export function reportOf(run: SoakRun, { startedAt, elapsedMs, gates, steps, residentCurve }: RunEnd) {
  const { ledger, options, service } = run;
  const minutes = elapsedMs / 60_000;
  return {
    command: commandOf(options),
    holds: gates.every(({ holds }) => holds !== false),
    startedAt: startedAt.toISOString(),
    endedBy: run.endedBy,
    seconds: Math.round(elapsedMs / 1000),
    machine: `${cpus()[0]?.model.trim()} x ${cpus().length}, ${megabytes(totalmem())}, ${osType()} ${release()}, Node ${process.version}`,
    thresholds: thresholdsOf(options),
    totals: {
      deaths: ledger.deathCount,
      deathsPerMinute: Math.round((ledger.deathCount / minutes) * 10) / 10,
      requests: ledger.requests,
      requestsPerSecond: Math.round((ledger.requests / minutes / 60) * 10) / 10,
      continued: ledger.continued,
    },
    gates,
    deaths: sorted(ledger.deaths),
    endedByOperators: sorted(ledger.orderly),
    faults: sorted(ledger.faults),
    failuresAsLogged: sorted(service.own?.log.failures ?? new Map()),
    requests: Object.fromEntries(
      [...ledger.kinds]
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
        .map(([kind, { outcomes, times }]) => [kind, { outcomes: sorted(outcomes), ms: times.summary() }]),
    ),
    endedAfterDeathMs: ledger.lateness.summary(),
    residentMegabytes: residentCurve,
    problems: ledger.problems,
    stuck: run.stuck,
    errorsLogged: service.own?.log.errors ?? [],
    lastSteps: steps,
  };
}

/** Every time and limit the run was made under. */
function thresholdsOf({ endedWithinMs, heldSlackBytes, residentLimitBytes, attach }: SoakArguments) {
  const limits = {
    ended_within_ms: endedWithinMs,
    held_slack: megabytes(heldSlackBytes),
    resident_limit: megabytes(residentLimitBytes),
  };
  return attach === null ? { ...limits, ...SCALED } : limits;
}

/** The tables people read. */
export function renderReport(report: SoakReport): string {
  const { totals, gates } = report;
  return [
    `\n${report.command}`,
    `${report.startedAt}, ${report.seconds} s until ${report.endedBy}, on ${report.machine}`,
    `${totals.deaths} worker deaths (${totals.deathsPerMinute} a minute), ${totals.requests} requests (${totals.requestsPerSecond} a second)`,
    `thresholds: ${JSON.stringify(report.thresholds)}`,
    "\nWorker deaths by what was done",
    table(Object.entries(report.deaths).map(([name, count]) => [name, String(count)])),
    "\nFailures of models as the service named them",
    table(Object.entries(report.failuresAsLogged).map(([name, count]) => [name, String(count)])),
    "\nWorkers ended by operators",
    table(Object.entries(report.endedByOperators).map(([name, count]) => [name, String(count)])),
    "\nRequests, milliseconds",
    requestTable(report),
    "\nGates",
    table(gates.map(({ name, figure, holds }) => [verdict(holds), name, figure])),
    ...(report.problems.length > 0 ? ["\nProblems", ...report.problems] : []),
    ...(report.stuck.length > 0 ? ["\nStuck", ...report.stuck] : []),
    ...(report.errorsLogged.length > 0 ? ["\nErrors in the service's log", ...report.errorsLogged] : []),
    report.holds
      ? "\nEvery gate holds."
      : `\nBROKEN. Steps that were last: ${JSON.stringify(report.lastSteps)}`,
  ].join("\n");
}

function requestTable({ requests, endedAfterDeathMs }: SoakReport): string {
  const ms = (value: number | null) => (value === null ? "–" : value.toFixed(value < 10 ? 1 : 0));
  const row = (name: string, times: typeof endedAfterDeathMs, outcomes: string) => [
    name,
    String(times.count),
    ms(times.p50),
    ms(times.p99),
    ms(times.p999),
    ms(times.max),
    outcomes,
  ];
  return table([
    ["", "count", "p50", "p99", "p99.9", "max", "outcomes"],
    ...Object.entries(requests).map(([kind, { outcomes, ms: times }]) =>
      row(
        kind,
        times,
        Object.entries(outcomes)
          .map(([outcome, count]) => `${outcome} ${count}`)
          .join(", "),
      ),
    ),
    row("ended after a death", endedAfterDeathMs, ""),
  ]);
}

function verdict(holds: boolean | null): string {
  if (holds === null) return "n/a";
  return holds ? "ok" : "BROKEN";
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const last = widths.length - 1;
  return rows
    .map((row) =>
      row.map((cell, column) => (column === last ? cell : cell.padEnd((widths[column] ?? 0) + 2))).join(""),
    )
    .map((line) => `  ${line}`)
    .join("\n");
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].toSorted(([, one], [, other]) => other - one));
}
