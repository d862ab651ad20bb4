/** What a worker said that is no message of the protocol. */
export type ViolationKind = "line" | "shape";

/** A log line that slips out now and then harms nobody; a worker that babbles is broken. Per minute. */
const MOST_PER_MINUTE: Readonly<Record<ViolationKind, number>> = { line: 20, shape: 2 };
const WINDOW_MS = 60_000;

/** When violations of each kind happened within the last minute, monotonic milliseconds. */
export type ViolationTimes = Readonly<Record<ViolationKind, readonly number[]>>;

export const NO_VIOLATIONS: ViolationTimes = { line: [], shape: [] };

/** The times after one more violation, and whether that is too many. */
export function noteViolation(
  times: ViolationTimes,
  kind: ViolationKind,
  now: number,
): { readonly times: ViolationTimes; readonly isTooMany: boolean } {
  const most = MOST_PER_MINUTE[kind];
  const recent = [...times[kind].filter((at) => now - at < WINDOW_MS), now].slice(-(most + 1));
  return { times: { ...times, [kind]: recent }, isTooMany: recent.length > most };
}
