/** Does one thing once at a time. A caller who comes while it is being done gets the time after. */
export class OneAtATime {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** The time that is under way; null: none is. */
  get running(): Promise<void> | null {
    return this.#running;
  }

  ask(): Promise<void> {
    this.#queued ??= (this.#running ?? Promise.resolve()).then(() => this.#start());
    return this.#queued;
  }

  #start(): Promise<void> {
    this.#queued = null;
    this.#running = this.#work().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }
}
