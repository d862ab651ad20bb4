/** The longest pause between two turns of the event loop until the work is done. */
export async function longestHoldMs(work: Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const again = () => {
    look();
    next = setImmediate(again);
  };
  let next = setImmediate(again);
  try {
    await work;
    look();
    return longest;
  } finally {
    clearImmediate(next);
  }
}
