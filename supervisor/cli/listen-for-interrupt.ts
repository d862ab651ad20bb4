/** Ctrl-C, or a request to end, while a command has something to take back first. */
export interface Interrupt {
  /** Aborts at the first signal; a later one ends the program as usual. */
  readonly signal: AbortSignal;
  /** Resolves at the first signal. */
  readonly happened: Promise<void>;
  /** From here on signals end the program as usual. */
  stop(): void;
}

/** Through npm one Ctrl-C arrives twice within a millisecond. Milliseconds. */
const SAME_SIGNAL_MS = 1_000;

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

export function listenForInterrupt(): Interrupt {
  const controller = new AbortController();
  const { promise: happened, resolve } = Promise.withResolvers<void>();
  const stop = () => {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  };
  const interrupt = () => {
    if (controller.signal.aborted) return;
    controller.abort();
    resolve();
    setTimeout(stop, SAME_SIGNAL_MS).unref();
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  return { signal: controller.signal, happened, stop };
}
