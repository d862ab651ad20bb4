const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 60_000;
const JITTER = 0.2;

/**
 * How long a model waits before its worker is started again: not at all after the first failure, then 1 s doubling
 * to 60 s, ± 20 % (the curve of Kubernetes' KEP-4603, first restart at once).
 *
 * @param failures counted failures in a row, ≥ 1
 * @param random 0 ≤ random < 1
 * @returns milliseconds
 */
export function restartDelayMs(failures: number, random: number): number {
  if (failures <= 1) return 0;
  const delay = Math.min(FIRST_DELAY_MS * 2 ** Math.min(failures - 2, 16), LONGEST_DELAY_MS);
  return Math.round(delay * (1 - JITTER + 2 * JITTER * random));
}
