const NEWLINE = 0x0a;

/** What one chunk completed. `overflow` is final: the rest of the stream cannot be trusted. */
export interface SplitResult {
  readonly lines: readonly string[];
  readonly overflow: boolean;
}

/**
 * Splits a byte stream into lines. Only the new chunk is scanned and chunks are joined once per line: concatenating and
 * rescanning a growing buffer is quadratic and blocks the event loop for seconds on one long line. Whole lines are
 * decoded, so a character split over chunks stays whole.
 */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  /** @param maxLineBytes longest line allowed, newline not counted */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  push(chunk: Uint8Array): SplitResult {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#pend(chunk.subarray(start, end));
      start = end + 1;
      if (this.#pendingBytes > this.#maxLineBytes) return { lines, overflow: true };
      lines.push(this.#take());
    }
    this.#pend(chunk.subarray(start));
    return { lines, overflow: this.#pendingBytes > this.#maxLineBytes };
  }

  #pend(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  #take(): string {
    const line = Buffer.concat(this.#pending, this.#pendingBytes).toString("utf8");
    this.#pending = [];
    this.#pendingBytes = 0;
    return line;
  }
}
