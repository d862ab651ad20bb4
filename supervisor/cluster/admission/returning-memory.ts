/** Less than this share still missing is within what figures of several sources differ by anyway. */
const SHARE_MEASURED_WRONG = 1 / 8;

export interface ReturningMemoryOptions {
  /** How long a dead worker's memory may be on its way; 0: it is back before its end is seen. */
  readonly longestMs: number;
  now(): number;
}

/**
 * Memory of workers that are gone which the machine does not show as available yet. Known by comparison: what would be
 * available without any model is less than it was before they left.
 */
export class ReturningMemory {
  readonly #options: ReturningMemoryOptions;
  /** What left and has not come back whole. Bytes. */
  #left = 0;
  /** At most so much of it is still on its way. Bytes. */
  #bytes = 0;
  #until = Number.NEGATIVE_INFINITY;
  /** What was available, and resident in workers, when nothing was on its way; null: not known. Bytes. */
  #before: number | null = null;

  constructor(options: ReturningMemoryOptions) {
    this.#options = options;
  }

  /** A worker is gone that may have held so much. */
  left(bytes: number): void {
    this.#left += bytes;
    this.#bytes += bytes;
    this.#until = this.#options.now() + this.#options.longestMs;
  }

  /**
   * To be told of every reading of the machine.
   * @returns what of it is still to come, bytes; never more than the last time unless somebody left
   */
  seen(availableBytes: number | null, residentBytes: number): number {
    const now = availableBytes === null ? null : availableBytes + residentBytes;
    const missing = now === null || this.#before === null ? 0 : this.#before - now;
    const isBack = this.#bytes === 0 || missing <= this.#left * SHARE_MEASURED_WRONG;
    const isOver = isBack || this.#options.now() >= this.#until;
    this.#bytes = isOver ? 0 : Math.min(this.#bytes, missing);
    if (isOver) {
      this.#left = 0;
      this.#before = now;
    }
    return this.#bytes;
  }
}
