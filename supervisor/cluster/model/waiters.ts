/** Everybody who waits for the next change of one model. */
export class Waiters {
  readonly #wakers = new Set<() => void>();
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#wakers.size;
  }

  /** Resolves at the next change or at the deadline (monotonic milliseconds). @throws the signal's reason */
  async changed(deadline: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const left = deadline - this.#now();
    let timer: NodeJS.Timeout | undefined;
    let wake: () => void = () => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    if (Number.isFinite(left)) timer = setTimeout(wake, Math.max(0, left));
    signal.addEventListener("abort", wake, { once: true });
    this.#wakers.add(wake);
    try {
      await woken;
      signal.throwIfAborted();
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      this.#wakers.delete(wake);
    }
  }

  wakeAll(): void {
    for (const wake of [...this.#wakers]) wake();
  }
}
