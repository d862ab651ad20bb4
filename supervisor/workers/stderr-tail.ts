/** The last bytes a worker wrote to stderr: the native error text stands before Python's frames, so the tail is long. */
export class StderrTail {
  readonly #capacityBytes: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(capacityBytes = 64 * 1024) {
    this.#capacityBytes = capacityBytes;
  }

  push(chunk: Uint8Array): void {
    // A slice of a larger pool would keep the whole pool alive.
    const kept = Buffer.from(chunk.subarray(Math.max(0, chunk.length - this.#capacityBytes)));
    this.#chunks.push(kept);
    this.#bytes += kept.length;
    // Many tiny writes must not cost more than their bytes.
    if (this.#bytes > 2 * this.#capacityBytes || this.#chunks.length > 1024) this.#compact();
  }

  /** At most the capacity; a character cut at the front shows as U+FFFD. */
  text(): string {
    this.#compact();
    return Buffer.concat(this.#chunks).toString("utf8");
  }

  #compact(): void {
    const all = Buffer.concat(this.#chunks);
    const kept = Buffer.from(all.subarray(Math.max(0, all.length - this.#capacityBytes)));
    this.#chunks = [kept];
    this.#bytes = kept.length;
  }
}
