/**
 * JSON in pieces, for answers that would take long to write at once: twenty alternatives for each of half a million tokens
 * are a hundred megabytes, which hold the process for seconds.
 */

/** Elements in one piece; one of the largest, a token with its alternatives, takes some 30 µs. */
const SLICE = 64;

/** The members of an object without its braces. */
export function members(object: object): string {
  return JSON.stringify(object).slice(1, -1);
}

/** An array, each element encoded when its piece is asked for. */
export function* arrayPieces<Item>(
  items: readonly Item[],
  encode: (item: Item) => unknown,
): Generator<string> {
  yield "[";
  for (let start = 0; start < items.length; start += SLICE) {
    const slice = items.slice(start, start + SLICE).map(encode);
    yield (start === 0 ? "" : ",") + JSON.stringify(slice).slice(1, -1);
  }
  yield "]";
}

/** An array whose elements come in pieces themselves. */
export function* nestedPieces<Item>(
  items: readonly Item[],
  pieces: (item: Item, index: number) => Iterable<string>,
): Generator<string> {
  yield "[";
  for (const [index, item] of items.entries()) {
    if (index > 0) yield ",";
    yield* pieces(item, index);
  }
  yield "]";
}
