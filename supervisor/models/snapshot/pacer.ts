/** Milliseconds of work in a row; the event loop then gets its turn. Well under the 20 ms a request may notice. */
const BURST_MS = 3;
/** Items between two looks at the clock. */
const ITEMS_PER_LOOK = 512;

/** Keeps long work from holding the event loop, and ends it when its caller has gone. */
export interface Pacer {
  /** To be awaited between two pieces of work. @throws the signal's reason once it is aborted */
  pause(): Promise<void>;
}

/** All pacers share the turns of the one event loop: what two of them do in one turn, it waits for twice. */
let burstBegan = performance.now();
const waiting: (() => void)[] = [];

export function createPacer(signal: AbortSignal | undefined): Pacer {
  return {
    pause: async () => {
      signal?.throwIfAborted();
      if (performance.now() - burstBegan < BURST_MS) return;
      await nextTurn();
      signal?.throwIfAborted();
    },
  };
}

/** One of those that wait goes on in each turn of the event loop, the first that came. */
async function nextTurn(): Promise<void> {
  await new Promise<void>((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(giveTurn);
  });
}

function giveTurn(): void {
  burstBegan = performance.now();
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(giveTurn);
}

/** Calls `visit` for every item, pausing in between. */
export async function forEachPaced<T>(
  items: Iterable<T>,
  visit: (item: T) => void,
  pacer: Pacer,
): Promise<void> {
  let count = 0;
  for (const item of items) {
    visit(item);
    count += 1;
    if (count % ITEMS_PER_LOOK === 0) await pacer.pause();
  }
}

/** A sorted copy, made by merging short sorted runs: one call of `sort` on a million items holds the loop for long. */
export async function sortPaced<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  pacer: Pacer,
): Promise<T[]> {
  let runs: T[][] = [];
  for (let start = 0; start < items.length; start += ITEMS_PER_LOOK) {
    runs.push(items.slice(start, start + ITEMS_PER_LOOK).sort(compare));
    await pacer.pause();
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let index = 0; index < runs.length; index += 2)
      merged.push(await mergeRuns(runs[index] ?? [], runs[index + 1] ?? [], compare, pacer));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function mergeRuns<T>(
  a: readonly T[],
  b: readonly T[],
  compare: (a: T, b: T) => number,
  pacer: Pacer,
): Promise<T[]> {
  const merged: T[] = [];
  let [left, right] = [0, 0];
  while (left < a.length || right < b.length) {
    const isLeft = right >= b.length || (left < a.length && compare(a[left] as T, b[right] as T) <= 0);
    merged.push((isLeft ? a[left++] : b[right++]) as T);
    if (merged.length % ITEMS_PER_LOOK === 0) await pacer.pause();
  }
  return merged;
}
