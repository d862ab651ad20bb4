const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/**
 * `4.2 GiB`: a size for people to read, one decimal.
 * @param rounding `up` for what is needed and `down` for what is there, so that the two never read alike when one is short
 */
export function humanBytes(bytes: number, rounding: "nearest" | "up" | "down" = "nearest"): string {
  const round = { nearest: Math.round, up: Math.ceil, down: Math.floor }[rounding];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  if (power === 0) return `${round(Math.max(0, bytes))} B`;
  const tenths = round((bytes / 1024 ** power) * 10);
  // 1023.97 MiB would read 1024.0 MiB.
  if (tenths >= 10_240 && power < UNITS.length - 1) return `1.0 ${UNITS[power + 1]}`;
  return `${(tenths / 10).toFixed(1)} ${UNITS[power]}`;
}
