import { FairQueue } from "../../policy/requests/fair-queue.ts";

/**
 * Of up to 64 KiB, which takes some milliseconds to look through at the most. More in a turn would make newcomers wait:
 * the system's loop accepts one connection a turn, and a probe may come behind three hundred others.
 */
const PIECES_A_TURN = 1;

/**
 * Bounds what arriving bodies take of each turn of the event loop. The system hands over up to two megabytes of every
 * connection in a turn: looking through those of forty at once would keep everybody else waiting for a second. A body
 * that waits is not read, so its sender is slowed down.
 */
export class ReadingTurns {
  readonly #waiting = new FairQueue<() => void>();
  #left = PIECES_A_TURN;
  #isScheduled = false;

  /** Resolves when a piece of this owner's body may be looked through, at once where nobody waits. */
  async next(owner: string): Promise<void> {
    if (this.#left > 0) {
      this.#take();
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(owner, resolve);
    await promise;
  }

  #take(): void {
    this.#left -= 1;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#begin());
  }

  /** Another turn of the event loop. */
  #begin(): void {
    this.#isScheduled = false;
    this.#left = PIECES_A_TURN;
    for (let n = 0; n < PIECES_A_TURN; n++) {
      const resolve = this.#waiting.shift();
      if (resolve === undefined) return;
      this.#take();
      resolve();
    }
  }
}
