import { JsonMeter } from "../json/json-meter.ts";

/** What a line may become when it is parsed. */
export interface LineLimits {
  /** Newline not counted. */
  readonly bytes: number;
  /** Objects, arrays and scalars. */
  readonly values: number;
  readonly heapBytes: number;
  readonly depth: number;
}

/** A line that may not be parsed: nothing behind it can be trusted, because nobody knows whose words it held. */
export type LineFault = "line-too-long" | "line-too-rich";

/**
 * A shorter line is not measured: it becomes 3 MB at most, 41 bytes for each of `{"34":0}`. The line of a step, a
 * hundred bytes for each row, is far below it and costs one comparison.
 */
const MEASURED_FROM_BYTES = 64 * 1024;

/** Judges one line while it arrives, piece by piece, so that a long one holds nobody up at its end. */
export class LineMeasure {
  readonly #limits: LineLimits;
  #bytes = 0;
  #meter: JsonMeter | null = null;

  constructor(limits: LineLimits) {
    this.#limits = limits;
  }

  /** @param pieces all of the line so far, the newest last; they are fed once. @returns what is wrong with it; null: nothing yet */
  add(pieces: readonly Uint8Array[]): LineFault | null {
    const newest = pieces.at(-1);
    if (newest === undefined) return null;
    this.#bytes += newest.length;
    if (this.#bytes > this.#limits.bytes) return "line-too-long";
    if (this.#bytes < MEASURED_FROM_BYTES) return null;
    if (this.#meter === null) {
      this.#meter = new JsonMeter();
      for (const piece of pieces) this.#meter.feed(piece);
    } else this.#meter.feed(newest);
    return this.#isTooRich(this.#meter) ? "line-too-rich" : null;
  }

  /** The line has ended; the next begins. */
  reset(): void {
    this.#bytes = 0;
    this.#meter = null;
  }

  #isTooRich({ values, heapBytes, depth }: JsonMeter): boolean {
    const most = this.#limits;
    return values > most.values || heapBytes > most.heapBytes || depth > most.depth;
  }
}
