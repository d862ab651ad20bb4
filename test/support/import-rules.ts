import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** What one room may import: other rooms, npm packages, and whether Node's own modules. */
export interface ImportRule {
  /** Rooms by name; `supervisor/policy/` stands for the room with all its subfolders. */
  readonly rooms: readonly string[];
  readonly packages: readonly string[];
  readonly node: boolean;
}

type Rules = Readonly<Record<string, ImportRule>>;

/** A room's name for a file: the deepest folder that has a rule, such as `supervisor/policy` or `supervisor/main.ts`. */
export function roomOf(file: string, rules: Rules): string {
  const parts = file.split("/");
  const deepest = Math.min(3, parts.length);
  for (let depth = deepest; depth > 0; depth--) {
    const room = parts.slice(0, depth).join("/");
    if (Object.hasOwn(rules, room)) return room;
  }
  return parts.slice(0, 2).join("/");
}

/** Import circles among files, each as the list of files it runs through; type-only imports count. */
export function importCircles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return circles;
}

/** The files of this repository that a source imports. */
export function importedFiles(file: string, source: string): string[] {
  return importsOf(source)
    .filter((name) => name.startsWith("."))
    .map((name) => relative(".", resolve(dirname(file), name)));
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s*"([^"]+)"|import\(\s*"([^"]+)"\s*\)|(?:^|\n)\s*import\s*"([^"]+)"/g;

/** Module names a source text imports, statically or dynamically. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

/** Sentences about every import of `source` that its room's rule does not allow. */
export function violations(file: string, source: string, rules: Rules): string[] {
  const room = roomOf(file, rules);
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
    const target = roomOf(relative(".", resolve(dirname(file), name)), rules);
    const isAllowed = rule.rooms.some(
      (allowed) => target === allowed || (allowed.endsWith("/") && `${target}/`.startsWith(allowed)),
    );
    return target === room || isAllowed ? [] : [`${file} imports ${name}; ${room} may not use ${target}`];
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
