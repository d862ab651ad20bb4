/** How long each rung of an orderly stop waits before the next, in milliseconds. */
export const SHUTDOWN_GRACE_MS = 2_000;
export const TERM_GRACE_MS = 5_000;
/** A hung worker gets this long to write its stacks before it is killed. */
export const DUMP_GRACE_MS = 1_000;

/** What the ladder may do to a process. */
export interface StopTarget {
  readonly exited: Promise<unknown>;
  /** Asks over the protocol and ends stdin; must not throw. */
  askToShutDown(): void;
  signal(name: "SIGTERM" | "SIGKILL" | "SIGUSR1"): void;
}

/**
 * Ends a worker that can still listen: ask, then SIGTERM, then SIGKILL. Graceful first, because on macOS a SIGKILL of a
 * process with much wired memory can leak that memory. Resolves when the process is gone.
 */
export async function stopOrderly(target: StopTarget): Promise<void> {
  target.askToShutDown();
  if (await goneWithin(target, SHUTDOWN_GRACE_MS)) return;
  target.signal("SIGTERM");
  if (await goneWithin(target, TERM_GRACE_MS)) return;
  target.signal("SIGKILL");
  await target.exited;
}

/** Ends a worker that does not answer: a stack dump, then SIGKILL; a stopped process ignores anything milder. */
export async function stopHung(target: StopTarget): Promise<void> {
  target.signal("SIGUSR1");
  if (await goneWithin(target, DUMP_GRACE_MS)) return;
  target.signal("SIGKILL");
  await target.exited;
}

async function goneWithin(target: StopTarget, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  try {
    return await Promise.race([target.exited.then(() => true), timeUp]);
  } finally {
    clearTimeout(timer);
  }
}
