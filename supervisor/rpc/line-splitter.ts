import { type LineFault, type LineLimits, LineMeasure } from "./line-measure.ts";

const NEWLINE = 0x0a;

/** What one chunk completed. A fault is final: the rest of the stream cannot be trusted. */
export interface SplitResult {
  readonly lines: readonly string[];
  readonly fault: LineFault | null;
}

/**
 * Splits a byte stream into lines. Only the new chunk is scanned and chunks are joined once per line: concatenating and
 * rescanning a growing buffer is quadratic and blocks the event loop for seconds on one long line. Whole lines are
 * decoded, so a character split over chunks stays whole.
 */
export class LineSplitter {
  readonly #measure: LineMeasure;
  #pending: Uint8Array[] = [];

  constructor(limits: LineLimits) {
    this.#measure = new LineMeasure(limits);
  }

  push(chunk: Uint8Array): SplitResult {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const fault = this.#pend(chunk.subarray(start, end));
      if (fault !== null) return { lines, fault };
      start = end + 1;
      lines.push(this.#take());
    }
    return { lines, fault: this.#pend(chunk.subarray(start)) };
  }

  #pend(bytes: Uint8Array): LineFault | null {
    if (bytes.length === 0) return null;
    this.#pending.push(bytes);
    return this.#measure.add(this.#pending);
  }

  #take(): string {
    const line = Buffer.concat(this.#pending).toString("utf8");
    this.#pending = [];
    this.#measure.reset();
    return line;
  }
}
