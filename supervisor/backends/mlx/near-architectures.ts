import { nearestNames } from "../../models/nearest-names.ts";

/** Architectures an unknown one may be a misspelling or a relative of, best first. */
export function nearArchitectures(modelType: string, known: readonly string[], limit = 3): string[] {
  const words = wordsOf(modelType);
  const family = known
    .map((name) => ({ name, likeness: likeness(words, wordsOf(name)) }))
    .filter(({ likeness }) => likeness > 0)
    .toSorted((a, b) => b.likeness - a.likeness || a.name.localeCompare(b.name))
    .map(({ name }) => name);
  return [...new Set([...nearestNames(modelType, known, 1), ...family])].slice(0, limit);
}

/** `glm5_moe` → glm, moe: version numbers differ within a family. */
function wordsOf(name: string): Set<string> {
  return new Set(
    name
      .slice(0, 128)
      .toLowerCase()
      .split(/[^a-z]+/)
      .filter((word) => word !== ""),
  );
}

/** Share of common words; nothing unless the first, the family's name, is one of them. */
function likeness(wanted: ReadonlySet<string>, candidate: ReadonlySet<string>): number {
  const [family] = wanted;
  if (family === undefined || !candidate.has(family)) return 0;
  const common = [...wanted].filter((word) => candidate.has(word)).length;
  return common / (wanted.size + candidate.size - common);
}
