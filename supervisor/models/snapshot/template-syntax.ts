/** Blocks that have to be closed, by the word that opens them. `set` is one only without an equals sign. */
const BLOCKS: ReadonlySet<string> = new Set([
  "for",
  "if",
  "macro",
  "call",
  "filter",
  "set",
  "with",
  "block",
  "raw",
  "generation",
  "autoescape",
]);
const CLOSING: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

interface Open {
  readonly word: string;
  /** Where its tag begins. Its line is counted only for a message: there may be a hundred thousand tags. */
  readonly start: number;
}

/**
 * What is wrong with the outer form of a Jinja template: tags, strings, brackets or blocks that are not closed, as
 * after a cut-off download. Null: nothing was found, which is no promise that it renders.
 */
export function templateFault(template: string): string | null {
  const open: Open[] = [];
  let at = 0;
  for (;;) {
    const start = nextTag(template, at);
    if (start === -1) break;
    const kind = template.slice(start, start + 2);
    const inRaw = open.at(-1)?.word === "raw";
    if (inRaw && !/^\{%[-+]?\s*endraw\s*[-+]?%\}/.test(template.slice(start, start + 40))) {
      at = start + 2;
      continue;
    }
    const end =
      kind === "{#"
        ? afterComment(template, start)
        : afterTag(template, start + 2, kind === "{{" ? "}}" : "%}");
    if (typeof end === "string") return `${end} in line ${lineAt(template, start)}`;
    const fault = kind === "{%" ? applyTag(template, { start, end }, open) : null;
    if (fault !== null) return fault;
    at = end;
  }
  const last = open.at(-1);
  return last === undefined
    ? null
    : `{% ${last.word} %} of line ${lineAt(template, last.start)} is never closed`;
}

function nextTag(template: string, from: number): number {
  for (let at = template.indexOf("{", from); at !== -1; at = template.indexOf("{", at + 1)) {
    const next = template[at + 1];
    if (next === "{" || next === "%" || next === "#") return at;
  }
  return -1;
}

function afterComment(template: string, start: number): number | string {
  const end = template.indexOf("#}", start + 2);
  return end === -1 ? "a comment is never closed" : end + 2;
}

/** Where a tag ends; inside strings and brackets its closing mark means nothing. A text says what is wrong. */
function afterTag(template: string, from: number, mark: string): number | string {
  const brackets: string[] = [];
  for (let at = from; at < template.length; at += 1) {
    const character = template[at] ?? "";
    if (brackets.length === 0 && template.startsWith(mark, at)) return at + 2;
    if (character === "'" || character === '"') {
      at = afterString(template, at);
    } else if (character === "(" || character === "[" || character === "{") brackets.push(character);
    else if (CLOSING[character] !== undefined && brackets.pop() !== CLOSING[character])
      return `an unexpected ${JSON.stringify(character)}`;
  }
  return "a tag is never closed";
}

/** The closing quote, or the end of the template. */
function afterString(template: string, start: number): number {
  for (let at = start + 1; at < template.length; at += 1) {
    if (template[at] === "\\") at += 1;
    else if (template[at] === template[start]) return at;
  }
  return template.length;
}

/** Opens or closes a block; a text says what is wrong. Words of extensions are left alone. */
function applyTag(
  template: string,
  { start, end }: { readonly start: number; readonly end: number },
  open: Open[],
): string | null {
  const content = template.slice(start + 2, end - 2);
  const word = /^[-+]?\s*(\w+)/.exec(content)?.[1] ?? "";
  if (word.startsWith("end")) {
    const closed = word.slice(3);
    if (!BLOCKS.has(closed)) return null;
    const last = open.pop();
    if (last?.word === closed) return null;
    const here = `{% ${word} %} of line ${lineAt(template, start)}`;
    return last === undefined
      ? `${here} closes nothing`
      : `${here} meets {% ${last.word} %} of line ${lineAt(template, last.start)}`;
  }
  // One blank, not several: the class has blanks as well, and the two would be tried in every combination.
  const isAssignment = word === "set" && /^[-+]?\s*set\s[\w.,\s()]+=/.test(content);
  if (BLOCKS.has(word) && !isAssignment) open.push({ word, start });
  return null;
}

function lineAt(template: string, position: number): number {
  return template.slice(0, position).split("\n").length;
}
