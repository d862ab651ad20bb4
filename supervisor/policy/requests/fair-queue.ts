/** What waits, one owner after the other: a client's hundred delay another's by one. */
export class FairQueue<Item> {
  /** The owner whose turn is next comes first. */
  readonly #byOwner = new Map<string, Item[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How many items of this owner wait. */
  sizeOf(owner: string): number {
    return this.#byOwner.get(owner)?.length ?? 0;
  }

  push(owner: string, item: Item): void {
    const waiting = this.#byOwner.get(owner);
    if (waiting === undefined) this.#byOwner.set(owner, [item]);
    else waiting.push(item);
    this.#size += 1;
  }

  /** Takes out what is next; undefined: nothing waits. */
  shift(): Item | undefined {
    const [next] = this.#byOwner;
    if (next === undefined) return undefined;
    const [owner, [item, ...others]] = next;
    // Behind the others, if it has more.
    this.#byOwner.delete(owner);
    if (others.length > 0) this.#byOwner.set(owner, others);
    this.#size -= 1;
    return item;
  }

  remove(owner: string, item: Item): void {
    const waiting = this.#byOwner.get(owner) ?? [];
    const index = waiting.indexOf(item);
    if (index === -1) return;
    waiting.splice(index, 1);
    if (waiting.length === 0) this.#byOwner.delete(owner);
    this.#size -= 1;
  }
}
