import { setTimeout as wait } from "node:timers/promises";

/**
 * Resolves with the promise, or with null when it has taken longer: for what must not be waited for without end, such as
 * a disk that has stalled. What was begun goes on.
 */
export async function withTimeout<T>(milliseconds: number, promise: Promise<T>): Promise<T | null> {
  const over = new AbortController();
  const late = wait(milliseconds, null, { signal: over.signal }).catch(() => null);
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}

/** What a disk that works needs for one write, and far more. Milliseconds. */
export const DISK_PATIENCE_MS = 5_000;
