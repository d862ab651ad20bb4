/**
 * A timer that fires this much too late says that this process itself stood still: SIGSTOP, a machine asleep, a blocked
 * loop. Milliseconds.
 */
const STOOD_STILL_MS = 1_000;

/**
 * Calls back after so many milliseconds in which this process could have heard the other side. When it stood still,
 * what was said meanwhile waits unread, so the time counts from the beginning again.
 * @param now monotonic milliseconds
 * @returns forgets it
 */
export function suspendAwareTimer(
  milliseconds: number,
  onDue: () => void,
  now: () => number = () => performance.now(),
): () => void {
  let timer: NodeJS.Timeout;
  const arm = () => {
    const dueAt = now() + milliseconds;
    timer = setTimeout(() => {
      if (now() - dueAt > STOOD_STILL_MS) arm();
      else onDue();
    }, milliseconds);
  };
  arm();
  return () => clearTimeout(timer);
}
