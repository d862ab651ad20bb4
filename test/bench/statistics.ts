export interface Summary {
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
}

/** @param values at least one */
export function summarise(values: readonly number[]): Summary {
  return {
    min: quantile(values, 0),
    median: quantile(values, 0.5),
    p95: quantile(values, 0.95),
    p99: quantile(values, 0.99),
    max: quantile(values, 1),
    count: values.length,
  };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Linear between neighbours.
 * @param fraction 0..1
 */
export function quantile(values: readonly number[], fraction: number): number {
  if (values.length === 0) throw new Error("no samples");
  const sorted = values.toSorted((one, other) => one - other);
  const place = (sorted.length - 1) * fraction;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/**
 * How one subject compares with another: the ratio of medians within each round, and of those the median. What slows
 * the machine down for a while slows both sides of a round.
 */
export function ratioOfRounds(
  rounds: readonly (readonly number[])[],
  against: readonly (readonly number[])[],
): number {
  const ratios = rounds.flatMap((samples, index) => {
    const other = against[index] ?? [];
    return samples.length === 0 || other.length === 0 ? [] : [median(samples) / median(other)];
  });
  return median(ratios);
}
