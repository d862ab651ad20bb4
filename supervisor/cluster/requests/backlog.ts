/** What may wait for all readers together. A tool call is one event, which no bound of one reader could cut. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Bytes that wait for the readers of all answers, as their queues report them. */
export class Backlog {
  readonly #mostBytes: number;
  #bytes = 0;

  constructor(mostBytes = MOST_BYTES) {
    this.#mostBytes = mostBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= this.#mostBytes;
  }

  /** @param bytes that came to wait, or negative: that wait no more */
  changed(bytes: number): void {
    this.#bytes += bytes;
  }
}

/** Of this process. */
export const ALL_READERS = new Backlog();
