import type { z } from "zod";
import { nearestNames } from "../models/nearest-names.ts";

/** Problems that are told at a time: nobody reads more, and a file may have a hundred thousand. */
export const MOST_PROBLEMS = 20;

/** The configuration cannot be used; each problem is one line saying where, what was expected, what was found. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** One thing wrong with a value, at a path inside it. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  /** Points at the key itself, not at its value. */
  readonly atKey: boolean;
  readonly text: string;
}

/**
 * What zod found first, in the words of somebody who edits a file.
 * @param value what was checked; quoted unless it may be a secret
 * @param knownKeys the keys allowed in the object at a path
 */
export function problemsOf(
  error: z.ZodError,
  value: unknown,
  knownKeys: (path: readonly PropertyKey[]) => readonly string[],
): Problem[] {
  const first = error.issues.slice(0, MOST_PROBLEMS).flatMap((issue): Problem[] => {
    if (issue.code === "unrecognized_keys") {
      const known = knownKeys(issue.path);
      return issue.keys.slice(0, MOST_PROBLEMS).map((key) => ({
        path: [...issue.path, key],
        atKey: true,
        text: unknownKey(key, known),
      }));
    }
    const got = describe(valueAt(value, issue.path), isSecret(issue.path));
    const text = `${pathText(issue.path)}: expected ${expectation(issue)}, got ${got}`;
    return [{ path: issue.path, atKey: false, text }];
  });
  return first.slice(0, MOST_PROBLEMS);
}

/** `timeouts.hold_seconds`; empty path: the document itself. */
function pathText(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "configuration" : path.map(String).join(".");
}

function unknownKey(key: string, known: readonly string[]): string {
  const nearest = nearestNames(key, known, 1)[0];
  const hint =
    nearest === undefined ? `known keys: ${known.join(", ")}` : `did you mean ${JSON.stringify(nearest)}?`;
  return `unknown key ${JSON.stringify(key.slice(0, 80))}; ${hint}`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return withArticle(issue.expected);
    case "too_small":
      return `${bounded(issue.origin)}${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
    case "too_big":
      return `${bounded(issue.origin)}${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}`;
    case "invalid_value":
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    default:
      return issue.message;
  }
}

function withArticle(type: string): string {
  switch (type) {
    case "int":
      return "a whole number";
    case "record":
    case "object":
      return "a mapping";
    case "array":
      return "a list";
    case "string":
      return "text (quote it if it looks like a number)";
    default:
      return `a ${type}`;
  }
}

function bounded(origin: string): string {
  if (origin === "string") return "a length of ";
  return origin === "array" ? "a number of items of " : "";
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = Reflect.get(current, step);
  }
  return current;
}

/** Keys must not end up in a terminal or a log, wrong ones neither. */
function isSecret(path: readonly PropertyKey[]): boolean {
  return path[0] === "api_keys" || path[0] === "admin_keys";
}

function describe(value: unknown, secret: boolean): string {
  if (value === undefined) return "nothing";
  if (value === null) return "nothing (null)";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  if (secret) return `a ${typeof value} (not shown)`;
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
