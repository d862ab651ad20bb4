const FIRST_BLOCK_BYTES = 4 * 1024;
const MOST_BLOCK_BYTES = 64 * 1024;

/**
 * Bytes as they come, in blocks: a sender that sends them one by one makes an object of each, which takes a hundred
 * times its room.
 */
export class GatheredBytes {
  readonly #full: Uint8Array[] = [];
  #block = new Uint8Array(FIRST_BLOCK_BYTES);
  #used = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Copies `bytes`. */
  push(bytes: Uint8Array): void {
    this.#length += bytes.byteLength;
    for (let rest = bytes; rest.byteLength > 0; ) {
      const part = rest.subarray(0, this.#block.byteLength - this.#used);
      this.#block.set(part, this.#used);
      this.#used += part.byteLength;
      rest = rest.subarray(part.byteLength);
      if (this.#used === this.#block.byteLength) this.#nextBlock();
    }
  }

  /** All of them, in memory of its own: pooled memory could not be handed to another thread. */
  joined(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const block of [...this.#full, this.#block.subarray(0, this.#used)]) {
      bytes.set(block, at);
      at += block.byteLength;
    }
    return bytes;
  }

  #nextBlock(): void {
    this.#full.push(this.#block);
    this.#block = new Uint8Array(Math.min(MOST_BLOCK_BYTES, this.#length));
    this.#used = 0;
  }
}
