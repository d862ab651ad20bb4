/** What a worker takes against what it may take. Bytes. */
export type FootprintVerdict = "fine" | "over" | "far-over";

/** Over the cap by this much there is no time to ask. */
const FAR_OVER = 1.1;

/**
 * @param bytes the last two readings, the newest last; null: unknown, which is never over
 * @param capBytes null: no cap is known
 */
export function judgeFootprint(bytes: readonly (number | null)[], capBytes: number | null): FootprintVerdict {
  if (capBytes === null) return "fine";
  const newest = bytes.at(-1) ?? null;
  if (newest !== null && newest >= capBytes * FAR_OVER) return "far-over";
  const isOver =
    bytes.length >= 2 && bytes.slice(-2).every((reading) => reading !== null && reading >= capBytes);
  return isOver ? "over" : "fine";
}
