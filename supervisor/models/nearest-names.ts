/** Longer names are compared by their beginning: the name comes from a client and the cost is quadratic. */
const COMPARED_CHARACTERS = 128;

/** The known names most like the given one, best first; none when nothing is near. */
export function nearestNames(name: string, known: Iterable<string>, limit = 3): string[] {
  const wanted = comparable(name);
  return [...new Set(known)]
    .map((candidate) => ({ candidate, distance: distanceOfNames(wanted, comparable(candidate)) }))
    .filter(({ distance }) => distance !== null)
    .toSorted((a, b) => (a.distance ?? 0) - (b.distance ?? 0) || a.candidate.localeCompare(b.candidate))
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

function comparable(name: string): string {
  return name.slice(0, COMPARED_CHARACTERS).toLowerCase();
}

/** Null: not near. `llama` is near `mlx-community/Llama-3-8B`: people leave out the organisation and the size. */
function distanceOfNames(wanted: string, candidate: string): number | null {
  const lastPart = candidate.slice(candidate.lastIndexOf("/") + 1);
  const distance = Math.min(editDistance(wanted, candidate), editDistance(wanted, lastPart));
  if (distance <= Math.max(1, Math.floor(wanted.length / 3))) return distance;
  const contained = wanted.length >= 3 && candidate.includes(wanted);
  const containing = lastPart.length >= 3 && wanted.includes(lastPart);
  return contained || containing ? distance : null;
}

/** Insertions, deletions, replacements and swaps of neighbours between two texts. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = at(previous, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const swapped =
        a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
          ? at(beforePrevious, column - 2) + 1
          : Infinity;
      current.push(Math.min(replaced, at(previous, column) + 1, at(current, column - 1) + 1, swapped));
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
