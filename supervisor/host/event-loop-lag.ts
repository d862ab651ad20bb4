import { monitorEventLoopDelay } from "node:perf_hooks";

/** How often a timer is set to see how late it comes. Milliseconds. */
const RESOLUTION_MS = 20;
/** The worst of this and the last such stretch is told, so that one bad minute is not seen for ever. Milliseconds. */
const WINDOW_MS = 30_000;

/** How late this process's timers come, watched all the time. */
export class EventLoopLag {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #lastMs = 0;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => {
      this.#lastMs = this.#currentMs();
      this.#histogram.reset();
    }, WINDOW_MS);
    this.#timer.unref();
  }

  /** 99th percentile of the last 30 to 60 seconds, milliseconds. */
  get p99Ms(): number {
    return Math.max(this.#lastMs, this.#currentMs());
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  /** The histogram holds the time between two timers, the time they were set to included. Empty it says 0. */
  #currentMs(): number {
    return Math.max(0, this.#histogram.percentile(99) / 1e6 - RESOLUTION_MS);
  }
}
