import { type Dirent, existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Models are put there by others, and damaged on purpose; what workers need for a moment comes and goes. */
const NOT_OURS: ReadonlySet<string> = new Set(["models", "tmp"]);

/** Files of a state directory that cannot be read, or were set aside because they could not. */
export function unparsableFiles(home: string): string[] {
  return filesBelow(home, NOT_OURS)
    .map((path) => relative(home, path))
    .filter((name) => name.includes(".corrupt-") || (name.endsWith(".json") && !parses(join(home, name))));
}

/** A directory that goes away meanwhile has none. @param without names that are not looked into, at the top */
function filesBelow(directory: string, without: ReadonlySet<string> = new Set()): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    if (!entry.isDirectory()) return [path];
    return without.has(entry.name) ? [] : filesBelow(path);
  });
}

function parses(path: string): boolean {
  try {
    JSON.parse(readFileSync(path, "utf8"));
    return true;
  } catch {
    // Replaced meanwhile, or removed.
    return !existsSync(path);
  }
}
