/**
 * The smallest of the values that at least `percent` of them do not exceed, so always one that occurred; null of none.
 * Nearest-rank method: definition 1 in Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996).
 *
 * @param percent a whole number, 1 to 100
 */
export function percentile(values: readonly number[], percent: number): number | null {
  const ordered = values.toSorted((a, b) => a - b);
  return ordered[Math.ceil((percent * ordered.length) / 100) - 1] ?? null;
}
