import type { Catalogue } from "./catalogue.ts";
import { nearestNames } from "./nearest-names.ts";

/**
 * The same catalogue under other names as well, which may change while it is used.
 * @param aliases other name to model id; a model's own id wins over an alias of the same name
 */
export function withAliases(
  catalogue: Catalogue,
  aliases: () => Readonly<Record<string, string>>,
): Catalogue {
  return {
    ...catalogue,
    resolve: (name) => {
      const entry = catalogue.resolve(name);
      if (entry !== undefined) return entry;
      const target = Object.entries(aliases()).find(([alias]) => isSameName(alias, name))?.[1];
      return target === undefined ? undefined : catalogue.resolve(target);
    },
    nearest: (name) =>
      nearestNames(name, [...catalogue.list().map(({ id }) => id), ...Object.keys(aliases())]),
  };
}

/** Keyboards differ in how they spell an accent; names do not. */
function isSameName(one: string, other: string): boolean {
  return one.normalize("NFC") === other.normalize("NFC");
}
