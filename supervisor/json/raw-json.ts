import { randomUUID } from "node:crypto";

/** A value that is JSON text already: it goes into a longer text as it is, without being parsed, copied or escaped. */
export class RawJson {
  readonly bytes: Uint8Array;

  /** @param bytes one whole JSON value, UTF-8, without line breaks */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** Stands in for a raw value while the rest is written. Nobody outside this process knows it, so no string can hold it. */
const PLACEHOLDER = `raw-json-${randomUUID()}`;

/** A value as JSON text, in pieces: raw values are pieces of their own. */
export function jsonPieces(value: unknown): (string | Uint8Array)[] {
  const raw: Uint8Array[] = [];
  const text = JSON.stringify(value, (_key, member: unknown) => {
    if (!(member instanceof RawJson)) return member;
    raw.push(member.bytes);
    return PLACEHOLDER;
  });
  if (raw.length === 0) return [text];
  return text.split(`"${PLACEHOLDER}"`).flatMap((piece, index) => {
    const before = raw[index - 1];
    return before === undefined ? [piece] : [before, piece];
  });
}
