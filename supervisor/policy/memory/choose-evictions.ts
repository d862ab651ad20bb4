import { heldBytes, type MemoryHolder } from "./memory-room.ts";

/** May be unloaded to make room for another: loaded, not pinned, and nobody waits for it. */
export function isEvictable(holder: MemoryHolder): boolean {
  return holder.state === "loaded" && !holder.isBusy && !holder.isPinned;
}

/**
 * Which of these to unload to gain so many bytes: the least recently used first, and none that is not needed for it.
 * A model used a moment ago stays while older ones suffice, even if it alone would do.
 * @returns ids, least recently used first; null: all of them together do not suffice
 */
export function chooseEvictions(candidates: readonly MemoryHolder[], missingBytes: number): string[] | null {
  const oldestFirst = candidates.toSorted((one, other) => one.lastUsedMs - other.lastUsedMs);
  const chosen: MemoryHolder[] = [];
  let surplus = -missingBytes;
  for (const holder of oldestFirst) {
    if (surplus >= 0) break;
    chosen.push(holder);
    surplus += heldBytes(holder);
  }
  if (surplus < 0) return null;

  // A large one that came last may do without some of the small ones before it; the most recently used is spared first.
  const needed = chosen.toReversed().filter((holder) => {
    const isSpared = heldBytes(holder) <= surplus;
    if (isSpared) surplus -= heldBytes(holder);
    return !isSpared;
  });
  return needed.toReversed().map(({ modelId }) => modelId);
}
