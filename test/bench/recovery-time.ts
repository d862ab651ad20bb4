import { median } from "./statistics.ts";

/** Gaps looked at together: one slow token is noise, several are a burden. */
const WINDOW = 5;
/** The burden must make gaps this much longer, or there is nothing to recover from. */
const CLEAR_DIFFERENCE = 1.3;

/**
 * How long a stream stayed slow after a burden had gone: until the first piece that came, like those after it, in a gap
 * nearer to those at the end than to those before.
 * @param times arrival of each piece of text, ascending milliseconds
 * @param leftAt when the burden left
 * @returns milliseconds
 * @throws Error when the burden made no clear difference
 */
export function recoveryTime(times: readonly number[], leftAt: number): number {
  const left = times.findIndex((time) => time > leftAt);
  const before = gaps(times.slice(0, left).slice(-4 * WINDOW));
  const after = gaps(times.slice(left).slice(-4 * WINDOW));
  const slow = median(before);
  const fast = median(after);
  if (slow < CLEAR_DIFFERENCE * fast)
    throw new Error(
      `expected gaps to shrink, got ${slow.toFixed(1)} ms before and ${fast.toFixed(1)} ms after`,
    );
  const limit = (slow + fast) / 2;
  for (let index = left; index + WINDOW <= times.length; index += 1) {
    const [first = slow, ...more] = gaps(times.slice(index - 1, index + WINDOW));
    if (first <= limit && median([first, ...more]) <= limit) return (times[index] ?? 0) - leftAt;
  }
  throw new Error("the stream did not recover");
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, index) => time - (times[index] ?? time));
}
