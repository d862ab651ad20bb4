/** Resident bytes of a worker, and when. */
export interface MemoryReading {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly bytes: number;
}

/** A worker's memory over the last minutes, oldest first. */
export interface MemoryHistory {
  /** One per second, for minutes. */
  readonly coarse: readonly MemoryReading[];
  /** Every one, for seconds: a worker that runs out of memory does so at the very end. */
  readonly fine: readonly MemoryReading[];
}

export const NO_MEMORY_HISTORY: MemoryHistory = { coarse: [], fine: [] };

const MOST_COARSE = 180;
const MOST_FINE = 40;
const COARSE_MS = 1_000;

/** The history with one more reading; bounded. */
export function noteMemory({ coarse, fine }: MemoryHistory, reading: MemoryReading): MemoryHistory {
  const kept = [...fine, reading];
  const aged = kept.length > MOST_FINE ? kept[0] : undefined;
  if (aged === undefined) return { coarse, fine: kept };
  const last = coarse.at(-1)?.at ?? Number.NEGATIVE_INFINITY;
  // A clock that was set back must not stop the record.
  const isDue = aged.at - last >= COARSE_MS || aged.at < last;
  return {
    coarse: isDue ? [...coarse, aged].slice(-MOST_COARSE) : coarse,
    fine: kept.slice(-MOST_FINE),
  };
}

/** All readings that are kept, oldest first. */
export function memoryReadings({ coarse, fine }: MemoryHistory): MemoryReading[] {
  return [...coarse, ...fine];
}
