import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Files of a state directory that cannot be read, or were set aside because they could not. */
export function unparsableFiles(home: string): string[] {
  return readdirSync(home, { recursive: true, encoding: "utf8" }).filter((name) => {
    // Models are put there by others, and damaged on purpose.
    if (name.startsWith("models/") || name.startsWith("tmp/")) return false;
    if (name.includes(".corrupt-")) return true;
    return name.endsWith(".json") && !parses(join(home, name));
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
