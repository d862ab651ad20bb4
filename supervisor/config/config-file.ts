import { devNull } from "node:os";
import { isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { FileTooLongError, readRegularFileSync } from "../host/regular-file.ts";
import { ConfigError, MOST_PROBLEMS, type Problem } from "./config-problem.ts";

/** Settings for a thousand models take some hundred kilobytes; a larger file is the wrong file. Bytes. */
const MAX_CONFIG_BYTES = 256 * 1024;
/** Lines, keys, list items, tags and the like: what the reader's work goes by, and it holds the event loop. */
const MAX_MARKS = 40_000;
const MARKS = new Set(Buffer.from("\n:,-[{!&*"));

/** A parsed configuration file that still knows on which line each value stands. */
export interface ConfigFile {
  /** Plain values; an empty file is an empty mapping. */
  readonly values: Readonly<Record<string, unknown>>;
  /** `config.yaml:3:7: ` and what is wrong there, in the order of the file. */
  explain(problems: readonly Problem[]): string[];
}

/**
 * Reads a YAML configuration file; a missing one is as good as an empty one unless it was asked for by name.
 * @throws ConfigError when it exists and cannot be read or parsed; it is never replaced or ignored
 */
export function readConfigFile(path: string, required: boolean): ConfigFile {
  const text = readText(path, required);
  const lines = new LineCounter();
  // Whether keys are unique is looked at below: the reader compares each with each.
  const options = { lineCounter: lines, prettyErrors: false, logLevel: "silent", uniqueKeys: false } as const;
  const document = parseDocument(text, options);
  const where = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
  };
  const faults = document.errors.map(({ pos, message }) => ({ offset: pos[0], message }));
  faults.push(...repeatedKeys(document.contents));
  if (faults.length > 0) {
    const first = faults.slice(0, MOST_PROBLEMS);
    throw new ConfigError(
      first.map(({ offset, message }) => `${where(offset)}: ${withoutQuote(firstLine(message))}`),
    );
  }
  return {
    values: asMapping(
      toPlain(() => document.toJS({ maxAliasCount: 100 }) as unknown, path),
      path,
    ),
    explain: (problems) =>
      problems
        .map(({ text: what, ...place }) => ({ what, offset: offsetOf(document.contents, place) }))
        .toSorted((a, b) => a.offset - b.offset)
        .map(({ what, offset }) => `${where(offset)}: ${what}`),
  };
}

function readText(path: string, required: boolean): string {
  // How a shell says that there is none.
  if (path === devNull) return "";
  try {
    const bytes = readRegularFileSync(path, MAX_CONFIG_BYTES);
    refuseTooMany(bytes, path);
    return bytes.toString();
  } catch (thrown) {
    if (thrown instanceof FileTooLongError)
      throw new ConfigError([`${thrown.message}; is it the right file?`]);
    if (!(thrown instanceof Error) || !("code" in thrown)) throw thrown;
    if (thrown.code === "ENOENT" && !required) return "";
    const next =
      thrown.code === "ENOENT"
        ? "no such file; create it or leave out --config"
        : `${thrown.message}; fix it or move it away`;
    throw new ConfigError([`${path}: cannot be read: ${next}`]);
  }
}

function refuseTooMany(bytes: Buffer, path: string): void {
  let marks = 0;
  for (const byte of bytes) if (MARKS.has(byte)) marks += 1;
  if (marks <= MAX_MARKS) return;
  throw new ConfigError([
    `${path}: expected at most ${MAX_MARKS} lines, keys and list items, got about ${marks}; is it the right file?`,
  ]);
}

function repeatedKeys(root: unknown): { offset: number; message: string }[] {
  const found: { offset: number; message: string }[] = [];
  const unvisited = [root];
  for (let node = unvisited.pop(); node !== undefined; node = unvisited.pop()) {
    if (isMap(node)) {
      const seen = new Set<unknown>();
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? key.value : key;
        if (seen.has(name)) found.push({ offset: startOf(key), message: "Map keys must be unique" });
        seen.add(name);
        unvisited.push(value);
      }
    } else if (isSeq(node)) unvisited.push(...node.items);
  }
  return found;
}

function toPlain(convert: () => unknown, path: string): unknown {
  try {
    return convert();
  } catch (thrown) {
    // Aliases that unfold without end.
    throw new ConfigError([
      `${path}: ${thrown instanceof Error ? withoutQuote(firstLine(thrown.message)) : "cannot be read"}`,
    ]);
  }
}

/** The reader quotes what it cannot read after a colon; that may be a key, also one that looks like an alias. */
function withoutQuote(message: string): string {
  return message
    .replace(/^Maximum call stack size exceeded/, "nested too deeply")
    .replace(/^(Unresolved alias)\b.*$/, "$1; a value that begins with * has to stand in quotes")
    .replace(/: .*$/, "");
}

function asMapping(value: unknown, path: string): Record<string, unknown> {
  if (value === null || value === undefined) return {};
  if (typeof value === "object" && !Array.isArray(value)) return { ...value };
  throw new ConfigError([
    `${path}:1:1: expected a mapping such as "port: 1234", got ${Array.isArray(value) ? "a list" : typeof value}`,
  ]);
}

/** Where in the text the path leads; the deepest part of it that exists. */
function offsetOf(root: unknown, problem: Omit<Problem, "text">): number {
  let node: unknown = root;
  let offset = startOf(root);
  problem.path.forEach((step, index) => {
    const pair = isMap(node)
      ? node.items.find(({ key }) => (isScalar(key) ? String(key.value) : key) === String(step))
      : undefined;
    const isLast = index === problem.path.length - 1;
    node = pair === undefined ? itemAt(node, step) : pair.value;
    offset = (isLast && problem.atKey ? startOf(pair?.key) : startOf(node)) || startOf(pair?.key) || offset;
  });
  return offset;
}

function itemAt(node: unknown, step: PropertyKey): unknown {
  return isNode(node) && "items" in node && Array.isArray(node.items)
    ? (node.items[Number(step)] as unknown)
    : undefined;
}

function startOf(node: unknown): number {
  return isNode(node) ? ((node as Node).range?.[0] ?? 0) : 0;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
