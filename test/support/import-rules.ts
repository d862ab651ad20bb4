import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** What one room may import: other rooms, npm packages, and whether Node's own modules. */
export interface ImportRule {
  readonly rooms: readonly string[];
  readonly packages: readonly string[];
  readonly node: boolean;
}

/** A room's name for a file, such as `supervisor/policy` or `supervisor/main.ts`. */
export function roomOf(file: string): string {
  const parts = file.split("/");
  if (parts[0] !== "supervisor") return parts[0] ?? "";
  return parts.slice(0, 2).join("/");
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s*"([^"]+)"|import\(\s*"([^"]+)"\s*\)|(?:^|\n)\s*import\s*"([^"]+)"/g;

/** Module names a source text imports, statically or dynamically. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

/** Sentences about every import of `source` that its room's rule does not allow. */
export function violations(
  file: string,
  source: string,
  rules: Readonly<Record<string, ImportRule>>,
): string[] {
  const room = roomOf(file);
  const rule = rules[room];
  if (rule === undefined) return [`${file}: room ${room} has no rule`];
  return importsOf(source).flatMap((name) => {
    if (name.startsWith("node:")) return rule.node ? [] : [`${file} imports ${name}; ${room} does no I/O`];
    if (!name.startsWith(".")) {
      const packageName = name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/");
      return rule.packages.includes(packageName)
        ? []
        : [`${file} imports package ${packageName}; ${room} may not`];
    }
    const target = roomOf(relative(".", resolve(dirname(file), name)));
    return target === room || rule.rooms.includes(target)
      ? []
      : [`${file} imports ${name}; ${room} may not use ${target}`];
  });
}

/** All TypeScript sources under a directory, as paths from the repository's root. */
export function sourcesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(directory, name));
}

export function readSource(file: string): string {
  return readFileSync(file, "utf8");
}
