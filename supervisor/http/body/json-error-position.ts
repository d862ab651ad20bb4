/** Where a text stops being JSON. */
export interface JsonErrorPosition {
  /** Characters before the fault. */
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

const WHITESPACE = /[ \t\n\r]*/y;
const BARE_SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const PLAIN_CHARACTERS = /[ !#-[\]-\uffff]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

type Expecting = "value" | "value-or-close" | "key" | "key-or-close" | "colon" | "comma-or-close" | "end";

/**
 * Finds the first fault of a text that `JSON.parse` refused: the engine's own message often has no position.
 * One pass without recursion, so hostile nesting costs no stack.
 */
export function locateJsonError(text: string): JsonErrorPosition {
  const offset = firstFault(text);
  const before = text.slice(0, offset);
  return { offset, line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

/** One step of the reader: where it got to, and what may follow; null where the text is at fault. */
interface Step {
  readonly offset: number;
  readonly expecting: Expecting | null;
}

function firstFault(text: string): number {
  const open: string[] = [];
  let step: Step = { offset: 0, expecting: "value" };
  for (;;) {
    const offset = skip(WHITESPACE, text, step.offset);
    if (step.expecting === null) return step.offset;
    if (offset === text.length) return offset;
    step = nextStep(text, offset, step.expecting, open);
  }
}

function nextStep(text: string, offset: number, expecting: Expecting, open: string[]): Step {
  const character = text[offset];
  if (expecting.endsWith("-or-close") && character === open.at(-1)) {
    open.pop();
    return { offset: offset + 1, expecting: afterValue(open) };
  }
  switch (expecting) {
    case "value":
    case "value-or-close":
      return valueStep(text, offset, open);
    case "key":
    case "key-or-close":
      return character === '"' ? stringStep(text, offset, "colon") : { offset, expecting: null };
    case "colon":
      return character === ":" ? { offset: offset + 1, expecting: "value" } : { offset, expecting: null };
    case "comma-or-close":
      if (character !== ",") return { offset, expecting: null };
      return { offset: offset + 1, expecting: open.at(-1) === "}" ? "key" : "value" };
    case "end":
      return { offset, expecting: null };
    default:
      return expecting satisfies never;
  }
}

function valueStep(text: string, offset: number, open: string[]): Step {
  switch (text[offset]) {
    case "{":
      open.push("}");
      return { offset: offset + 1, expecting: "key-or-close" };
    case "[":
      open.push("]");
      return { offset: offset + 1, expecting: "value-or-close" };
    case '"':
      return stringStep(text, offset, afterValue(open));
    default: {
      const end = skip(BARE_SCALAR, text, offset);
      return { offset: end, expecting: end === offset ? null : afterValue(open) };
    }
  }
}

/** A loop of two patterns: one pattern over a long string would exhaust the engine's backtracking stack. */
function stringStep(text: string, start: number, next: Expecting): Step {
  let offset = skip(PLAIN_CHARACTERS, text, start + 1);
  while (text[offset] === "\\") {
    const escapeEnd = skip(ESCAPE, text, offset);
    if (escapeEnd === offset) return { offset, expecting: null };
    offset = skip(PLAIN_CHARACTERS, text, escapeEnd);
  }
  return text[offset] === '"' ? { offset: offset + 1, expecting: next } : { offset, expecting: null };
}

function afterValue(open: readonly string[]): Expecting {
  return open.length === 0 ? "end" : "comma-or-close";
}

/** End of what `pattern` matches at `offset`; `offset` itself when it matches nothing. */
function skip(pattern: RegExp, text: string, offset: number): number {
  pattern.lastIndex = offset;
  return pattern.test(text) ? pattern.lastIndex : offset;
}
