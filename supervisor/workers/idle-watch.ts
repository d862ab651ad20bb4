/** What is watched; WorkerSession fits. */
export interface IdleSubject {
  readonly inFlight: number;
  /** When the last request came or went, monotonic milliseconds. */
  readonly lastUsedAt: number;
}

export interface IdleWatchOptions {
  readonly subject: IdleSubject;
  readonly idleMs: number;
  /** Called every time the model has been idle for long enough; it may find something to do in between. */
  onIdle(): void;
  now(): number;
}

/** A timer can be set no further than this. Milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Says when a model has had no request for a while. One timer, set to the earliest moment that could be. */
export class IdleWatch {
  readonly #options: IdleWatchOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: IdleWatchOptions) {
    this.#options = options;
    this.#schedule(options.idleMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.min(delayMs, LONGEST_TIMER_MS));
    this.#timer.unref();
  }

  #look(): void {
    const { subject, idleMs, now, onIdle } = this.#options;
    const left = subject.inFlight > 0 ? idleMs : subject.lastUsedAt + idleMs - now();
    if (left <= 0) onIdle();
    this.#schedule(left > 0 ? left : idleMs);
  }
}
