/** Neighbouring buckets differ by 2 %, so a percentile is at most 2 % too high. */
const GROWTH = Math.log(1.02);
/** Shorter times count as this. Milliseconds. */
const SMALLEST_MS = 0.05;

/** Times of any number of events in little memory. */
export class Histogram {
  readonly #buckets: number[] = [];
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    const bucket = Math.ceil(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / GROWTH);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#max = Math.max(this.#max, ms);
  }

  /** @param fraction 0..1 */
  quantile(fraction: number): number | null {
    if (this.#count === 0) return null;
    let left = Math.ceil(this.#count * fraction);
    for (const [bucket, count = 0] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return Math.min(this.#max, SMALLEST_MS * Math.exp(bucket * GROWTH));
    }
    return this.#max;
  }

  summary(): { count: number; p50: number | null; p99: number | null; p999: number | null; max: number } {
    return {
      count: this.#count,
      p50: this.quantile(0.5),
      p99: this.quantile(0.99),
      p999: this.quantile(0.999),
      max: this.#max,
    };
  }
}
