import type { LoadQueue } from "./load-queue.ts";

/** Waits for the right to load, does the work, and gives the right back. @throws the signal's reason; what the work throws */
export async function holdLoadPermit<T>(
  loads: Pick<LoadQueue, "ask">,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const { promise: granted, resolve: grant } = Promise.withResolvers<void>();
  const permit = loads.ask(grant);
  const wake = () => grant();
  signal.addEventListener("abort", wake, { once: true });
  try {
    await granted;
    signal.throwIfAborted();
    return await work();
  } finally {
    signal.removeEventListener("abort", wake);
    permit.giveBack();
  }
}
