/** Something that waits, and whose it is. */
export interface Waiting {
  readonly owner: string;
}

/** What an owner has had. */
export interface Served {
  /** Places it has now. */
  readonly places: number;
  /** Number of the last turn it had; turns are numbered from 1. */
  readonly lastTurn: number;
}

/**
 * Who of those that wait gets the next places: the owner with the fewest, of several the one whose last turn is longest
 * ago, and each owner's first come first.
 * @param waiting in the order they came
 * @param served by owner; missing: nothing yet
 */
export function fairOrder<W extends Waiting>(
  waiting: readonly W[],
  served: ReadonlyMap<string, Served>,
  places: number,
): W[] {
  const left = new Set(waiting);
  const soFar = new Map(served);
  let turn = Math.max(0, ...[...served.values()].map(({ lastTurn }) => lastTurn));
  const chosen: W[] = [];
  while (chosen.length < places) {
    let next: W | null = null;
    for (const one of left) if (next === null || isBefore(had(one), had(next))) next = one;
    if (next === null) break;
    turn += 1;
    soFar.set(next.owner, { places: had(next).places + 1, lastTurn: turn });
    left.delete(next);
    chosen.push(next);
  }
  return chosen;

  function had({ owner }: Waiting): Served {
    return soFar.get(owner) ?? { places: 0, lastTurn: 0 };
  }
}

function isBefore(a: Served, b: Served): boolean {
  return a.places === b.places ? a.lastTurn < b.lastTurn : a.places < b.places;
}
