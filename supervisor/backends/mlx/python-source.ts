/** A class statement of a Python module and what a dataclass would make of its body. */
export interface PythonClass {
  readonly name: string;
  /** As written: `BaseModelArgs`, `llama.ModelArgs`. */
  readonly bases: readonly string[];
  readonly fields: readonly { readonly name: string; readonly isRequired: boolean }[];
  /** Names of its methods. */
  readonly methods: readonly string[];
}

/**
 * The classes at the top level of a Python module, read without Python: importing an architecture runs its code.
 * Made for the tidy sources of one package; a class it cannot follow comes out with fewer fields, never with more.
 */
export function pythonClasses(source: string): PythonClass[] {
  const lines = logicalLines(source);
  return lines.flatMap((line, index) => {
    const match = /^class (\w+)(?:\((.*)\))?:/.exec(line);
    if (match === null) return [];
    const body = bodyAfter(lines, index);
    return [
      {
        name: match[1] ?? "",
        bases: (match[2] ?? "")
          .split(",")
          .map((base) => base.trim())
          .filter((base) => base !== ""),
        fields: body.flatMap(fieldOf),
        methods: body.flatMap((member) => /^\s+(?:async )?def (\w+)/.exec(member)?.[1] ?? []),
      },
    ];
  });
}

/** Names that `from .<module> import` and `from . import` bring in, each with the module it is from. */
export function siblingImports(
  source: string,
): { readonly name: string; readonly module: string; readonly original: string }[] {
  return logicalLines(source).flatMap((line) => {
    const match = /^from \.([\w-]*) import (.*)$/.exec(line);
    if (match === null) return [];
    const [, module = "", names = ""] = match;
    return names
      .replaceAll(/[()]/g, "")
      .split(",")
      .map((entry) => entry.trim().split(/\s+as\s+/))
      .filter(([original]) => original !== undefined && original !== "")
      .map(([original = "", alias]) => ({ name: alias ?? original, module: module || original, original }));
  });
}

/** Members of a class: the lines indented by its first member's width, up to the next line at the left edge. */
function bodyAfter(lines: readonly string[], index: number): string[] {
  const rest = lines.slice(index + 1);
  const end = rest.findIndex((line) => !line.startsWith(" "));
  const body = end === -1 ? rest : rest.slice(0, end);
  const indent = /^ */.exec(body[0] ?? "")?.[0] ?? "";
  return body.filter((line) => line.startsWith(indent) && line[indent.length] !== " ");
}

/** `name: type` is required, `name: type = default` is not; class variables are no fields. */
function fieldOf(line: string): { name: string; isRequired: boolean }[] {
  const match = /^\s+(\w+)\s*:\s*(.+)$/.exec(line);
  const [, name = "", rest = ""] = match ?? [];
  if (match === null || /^(?:typing\.)?ClassVar\b/.test(rest)) return [];
  return [{ name, isRequired: !rest.includes("=") }];
}

/** Statements as one line each: comments and text literals are dropped, brackets joined. */
function logicalLines(source: string): string[] {
  const plain = source
    .replaceAll(/"""[\s\S]*?"""|'''[\s\S]*?'''/g, '""')
    .replaceAll(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|#.*/g, (match) =>
      match.startsWith("#") ? "" : '""',
    )
    .replaceAll(/\\\n/g, " ");
  const lines: string[] = [];
  let pending = "";
  let depth = 0;
  for (const line of plain.split("\n")) {
    pending += depth > 0 ? ` ${line.trim()}` : line;
    for (const character of line) {
      if ("([{".includes(character)) depth += 1;
      if (")]}".includes(character)) depth -= 1;
    }
    if (depth > 0) continue;
    depth = 0;
    if (pending.trim() !== "") lines.push(pending.trimEnd());
    pending = "";
  }
  return pending.trim() === "" ? lines : [...lines, pending];
}
