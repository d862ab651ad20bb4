import { setTimeout as wait } from "node:timers/promises";

/** Resolves with the first value that is neither null, false nor undefined; rejects after `withinMs` with `what`. */
export async function waitUntil<T>(
  what: string,
  look: () => T | Promise<T>,
  withinMs: number,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await wait(20);
  }
}
