import type { EpochMs } from "../lifecycle/failure-record.ts";

export type StartMode = "normal" | "safe-mode";

/** One start of the supervisor, as its journal keeps it. Times are wall clock: they are compared over restarts. */
export interface ServiceStart {
  readonly startedAt: EpochMs;
  /** Null: the system would not tell. */
  readonly bootId: string | null;
  readonly pid: number;
  readonly mode: StartMode;
  /** When it had been up ten minutes; written then, because a crash writes nothing. */
  readonly steadyAt: EpochMs | null;
  readonly leftSafeModeAt: EpochMs | null;
  /** The clean mark of an orderly stop, a hurried one included; null: it ended some other way, or runs. */
  readonly stoppedAt: EpochMs | null;
}

export interface ServiceStartNumbers {
  /** Unclean ends in a row after which a start is in safe mode. */
  readonly limit: number;
  /** All of them within this time. A window of a minute would never hold a cycle of load, panic and reboot. */
  readonly windowMs: number;
  /** A start that stayed up this long ends the row. */
  readonly steadyMs: number;
}

const MINUTE_MS = 60_000;

export const SERVICE_START_DEFAULTS: ServiceStartNumbers = {
  limit: 3,
  windowMs: 6 * 60 * MINUTE_MS,
  steadyMs: 10 * MINUTE_MS,
};

export type StartDecision =
  | { readonly mode: "normal"; readonly uncleanEnds: number }
  | {
      readonly mode: "safe-mode";
      readonly uncleanEnds: number;
      /** How many of them the whole machine went down with. */
      readonly reboots: number;
      readonly message: string;
    };

/** An end that counts towards safe mode. */
interface UncleanEnd {
  /** The latest time it is known to have run. */
  readonly seenAt: EpochMs;
  readonly bootId: string | null;
}

/**
 * How the supervisor starts, by the starts before this one, oldest first. An end counts however it came about: a reboot
 * blames no model, but a service that goes down with the machine again and again must not load what it loaded before.
 */
export function decideStart(
  earlier: readonly ServiceStart[],
  present: { readonly now: EpochMs; readonly bootId: string | null },
  numbers = SERVICE_START_DEFAULTS,
): StartDecision {
  let row: readonly UncleanEnd[] = [];
  for (const start of earlier) row = afterStart(row, start, numbers);
  // A clock set back makes an end look later than now; that is no reason to forget it.
  const recent = row.filter(({ seenAt }) => present.now - seenAt <= numbers.windowMs);
  const uncleanEnds = recent.length;
  if (uncleanEnds < numbers.limit) return { mode: "normal", uncleanEnds };
  const reboots = countReboots(recent, present.bootId);
  const down = reboots === 0 ? "" : `, ${reboots} of them with the whole machine`;
  const message = `The last ${uncleanEnds} starts ended without an orderly stop${down}; no model is loaded unasked`;
  return { mode: "safe-mode", uncleanEnds, reboots, message };
}

/**
 * The row of unclean ends after one more start. A start in safe mode leaves the row one short of the limit, so that one
 * more crash returns to it; only time, an orderly stop of a normal start or ten minutes up in one clear it.
 */
function afterStart(
  row: readonly UncleanEnd[],
  start: ServiceStart,
  { limit }: ServiceStartNumbers,
): readonly UncleanEnd[] {
  const seenAt = Math.max(
    start.startedAt,
    start.steadyAt ?? 0,
    start.leftSafeModeAt ?? 0,
    start.stoppedAt ?? 0,
  );
  const end: UncleanEnd = { seenAt, bootId: start.bootId };
  if (start.mode === "normal") {
    return start.stoppedAt === null && start.steadyAt === null ? [...row, end].slice(-limit) : [];
  }
  const left = Array.from({ length: limit - 1 }, () => end);
  return start.stoppedAt === null ? [...left, end] : left;
}

/** Changes of the boot id from one end to the next, and to this start; an unknown id is no change. */
function countReboots(ends: readonly UncleanEnd[], bootId: string | null): number {
  const boots = [...ends.map((end) => end.bootId), bootId].filter((boot) => boot !== null);
  return boots.filter((boot, index) => index > 0 && boot !== boots[index - 1]).length;
}
