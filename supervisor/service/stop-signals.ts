/** Through npm one Ctrl-C arrives twice within a millisecond: only a later second signal is a wish to hurry. Milliseconds. */
const SECOND_SIGNAL_AFTER_MS = 1_000;

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Signals that ask the process to stop: the first drains, a later second one hurries. Listens for the process's whole life. */
export class StopSignals {
  /** The name of the first signal. */
  readonly first: Promise<NodeJS.Signals>;
  readonly #abort = new AbortController();
  #firstAt: number | null = null;
  #hurry: () => void = () => {};

  constructor(now: () => number = () => performance.now()) {
    const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
    this.first = promise;
    for (const name of STOP_SIGNALS) {
      process.on(name, () => {
        if (this.#firstAt === null) {
          this.#firstAt = now();
          this.#abort.abort();
          resolve(name);
        } else if (now() - this.#firstAt >= SECOND_SIGNAL_AFTER_MS) {
          this.#hurry();
        }
      });
    }
  }

  /** Aborted by the first signal. */
  get stopped(): AbortSignal {
    return this.#abort.signal;
  }

  onHurry(hurry: () => void): void {
    this.#hurry = hurry;
  }
}
