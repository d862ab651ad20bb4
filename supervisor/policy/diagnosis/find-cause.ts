import { CRASH_CAUSES, type CrashCause } from "./crash-causes.ts";
import type { WorkerPhase } from "./worker-phase.ts";

/** What a cause is looked up by. */
export interface CrashFacts {
  readonly stderrTail: string;
  readonly signal: string | null;
  readonly code: number | null;
  readonly phase: WorkerPhase;
  readonly fatal: { readonly cause: string; readonly message: string } | null;
  /** True: the machine's memory was short when the worker ended. */
  readonly memoryShort?: boolean;
}

/** Signals that come from outside: the process had no chance to say why, so its words are about something older. */
const FROM_OUTSIDE: ReadonlySet<string> = new Set(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]);
/** Longer lines are cut before they are searched: what a worker writes must not cost the supervisor its time. */
const LONGEST_LINE = 2_000;

/** The row of a cause a worker or the supervisor has named itself; null: no such name. */
export function causeNamed(cause: string): CrashCause | null {
  return CRASH_CAUSES.find((row) => row.cause === cause) ?? null;
}

/** Why a worker ended: what it reported itself, else the first row that fits; null: nothing known fits. */
export function findCause(facts: CrashFacts): CrashCause | null {
  if (facts.fatal !== null) {
    return causeNamed(facts.fatal.cause) ?? firstMatch({ ...facts, stderrTail: facts.fatal.message });
  }
  return firstMatch(facts);
}

/** The line that shows the cause, for a message; null when the row does not rest on words. */
export function evidenceOf(row: CrashCause, said: string): string | null {
  return (
    linesOf(said)
      .find((line) => row.patterns?.some((pattern) => pattern.test(line)))
      ?.trim() ?? null
  );
}

function firstMatch(facts: CrashFacts): CrashCause | null {
  const silent = facts.signal !== null && FROM_OUTSIDE.has(facts.signal);
  const lines = silent ? [] : linesOf(facts.stderrTail);
  return CRASH_CAUSES.find((row) => matches(row, facts, lines)) ?? null;
}

function matches(row: CrashCause, facts: CrashFacts, lines: readonly string[]): boolean {
  const { patterns, signals, exitCodes, phases, memoryShort } = row;
  if (patterns === undefined && signals === undefined && exitCodes === undefined) return false;
  return (
    (signals === undefined || (facts.signal !== null && signals.includes(facts.signal))) &&
    (exitCodes === undefined || (facts.code !== null && exitCodes.includes(facts.code))) &&
    (phases === undefined || phases.includes(facts.phase)) &&
    (memoryShort === undefined || facts.memoryShort === true) &&
    (patterns === undefined || patterns.some((pattern) => lines.some((line) => pattern.test(line))))
  );
}

function linesOf(text: string): string[] {
  return text.split("\n").map((line) => line.slice(0, LONGEST_LINE));
}
