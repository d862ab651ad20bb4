import { LmxError } from "../../../shared/errors.ts";
import { locateJsonError } from "./json-error-position.ts";

/** Bytes of a request body, within its limits, as a JSON value that can be sent on safely. @throws LmxError invalid_request_error */
export function parseJson(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  if (text.trim() === "") throw invalid("The body is empty; expected a JSON object.");
  const value = parse(text);
  repairStrings(value);
  return value;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalid("The body is not valid UTF-8; expected JSON encoded as UTF-8.", error);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { offset, line, column } = locateJsonError(text);
    const found =
      offset < text.length ? JSON.stringify(String.fromCodePoint(text.codePointAt(offset) ?? 0)) : "the end";
    throw invalid(
      `The body is not valid JSON: found ${found} at position ${offset} (line ${line}, column ${column}).`,
      error,
    );
  }
}

/**
 * Replaces halves of surrogate pairs, which JSON escapes can smuggle in and no UTF-8 writer can send on. Walks without
 * recursion, in place.
 */
function repairStrings(root: unknown): void {
  let level: object[] = isObject(root) ? [root] : [];
  while (level.length > 0) {
    const next: object[] = [];
    for (const parent of level) {
      for (const key of Array.isArray(parent) ? parent.keys() : Object.keys(parent)) {
        if (typeof key === "string" && !key.isWellFormed()) {
          throw invalid("A key of the body holds half of a surrogate pair; expected valid Unicode.");
        }
        const value: unknown = Reflect.get(parent, key);
        if (typeof value === "string" && !value.isWellFormed())
          Reflect.set(parent, key, value.toWellFormed());
        if (isObject(value)) next.push(value);
      }
    }
    level = next;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function invalid(message: string, cause?: unknown): LmxError {
  return new LmxError("invalid_request_error", message, { cause });
}
