import type { z } from "zod";
import { LmxError } from "../../../shared/errors.ts";

type Issue = z.core.$ZodIssue;

/** More issues than this help nobody. */
const MAX_ISSUES = 3;

/** What a schema found wrong with `input`, as one error: every issue names its path, what was expected and what was got. */
export function validationError(error: z.ZodError, input: unknown): LmxError {
  const issues = error.issues.map((issue) => deepestIssue(issue));
  const sentences = issues.slice(0, MAX_ISSUES).map((issue) => describeIssue(issue, input));
  if (issues.length > MAX_ISSUES) sentences.push(`and ${issues.length - MAX_ISSUES} more`);
  const param = pathOf(issues[0]?.path ?? []);
  return new LmxError("invalid_request_error", `${sentences.join("; ")}.`, param ? { param } : {});
}

/** A union fails once per alternative; the one that got furthest is the one the client meant. */
function deepestIssue(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  const alternatives = issue.errors.flatMap((branch) => branch.slice(0, 1).map(deepestIssue));
  const deepest = alternatives.toSorted((a, b) => b.path.length - a.path.length)[0];
  if (deepest === undefined || deepest.path.length === 0) return issue;
  return { ...deepest, path: [...issue.path, ...deepest.path] };
}

function describeIssue(issue: Issue, input: unknown): string {
  const path = pathOf(issue.path) || "body";
  const value = valueAt(input, issue.path);
  const got = describeFound(issue, value);
  return `${path}: expected ${expectation(issue)}, got ${got}`;
}

/** Keys of a record are the client's own and may be of any length. */
function pathOf(path: readonly PropertyKey[]): string {
  return path.map((key) => String(key).slice(0, 80)).join(".");
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.expected === "int" ? "integer" : issue.expected;
    case "invalid_value":
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "too_small":
      return `${sizeNoun(issue.origin)} ${issue.inclusive ? "≥" : ">"} ${issue.minimum}`;
    case "too_big":
      return `${sizeNoun(issue.origin)} ${issue.inclusive ? "≤" : "<"} ${issue.maximum}`;
    case "invalid_union":
      return [...new Set(issue.errors.flatMap((branch) => branch.slice(0, 1).map(expectation)))].join(" or ");
    case "invalid_key":
      return issue.issues.map(expectation).join(" and ");
    default:
      return issue.message.replace(/^(Invalid input: )?expected /, "");
  }
}

function sizeNoun(origin: string): string {
  if (origin === "string") return "length";
  if (origin === "array" || origin === "set") return "number of items";
  return "number";
}

function describeFound(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case "invalid_value":
      return describeChoice(value);
    case "invalid_key":
      return describeChoice(String(issue.path.at(-1)));
    default:
      return describeValue(value);
  }
}

/** A wrong word among a few allowed ones is worth showing. */
function describeChoice(value: unknown): string {
  return typeof value === "string" && value.length <= 40 ? JSON.stringify(value) : describeValue(value);
}

/** Never the text of a string: prompts do not belong into messages that are logged by clients. */
function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array";
  if (typeof value === "string") return value === "" ? "an empty string" : "a string";
  if (typeof value === "object") return "an object";
  return String(value);
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
