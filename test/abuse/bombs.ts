import { Buffer } from "node:buffer";
import type { Attack } from "./send.ts";

/** A body that is cheap to send and dear to read. */
export interface Bomb extends Attack {
  /** What it is made of, for failures. */
  readonly name: string;
  /** A refusal for this field's sake names it. Null: nothing in particular is wrong. */
  readonly field: string | null;
}

export const CHAT = "/v1/chat/completions";
export const COMPLETIONS = "/v1/completions";

/** One element of a list, of every kind that takes much more than its text. */
export const ELEMENTS = [
  "0",
  "null",
  '""',
  '"a"',
  "{}",
  "[]",
  '{"34":0}',
  '{"a":{"b":[1,{}]}}',
  "[[[[0]]]]",
  "1e5",
  "-0.5",
  "true",
] as const;

/** `open`, then as many of the unit with commas between them as fit into the size, then `close`. */
export function filled(open: string, unit: string, close: string, bytes: number): Uint8Array {
  const count = Math.max(1, Math.floor((bytes - open.length - close.length + 1) / (unit.length + 1)));
  const middle = Buffer.alloc(count * (unit.length + 1) - 1, `${unit},`);
  return Buffer.concat([Buffer.from(open), middle, Buffer.from(close)]);
}

/** An object with as many numbered or named keys as fit. */
export function manyKeys(
  open: string,
  prefix: string,
  value: string,
  close: string,
  bytes: number,
): Uint8Array {
  const pieces = [open];
  let length = open.length + close.length;
  for (let n = 0; length < bytes; n++) {
    const member = `${n === 0 ? "" : ","}"${prefix}${n}":${value}`;
    pieces.push(member);
    length += member.length;
  }
  return Buffer.from(`${pieces.join("")}${close}`);
}

/** The start of a chat body that is fine so far. */
export function chatHead(model: string): string {
  return `{"model":${JSON.stringify(model)},"max_tokens":1,"messages":[{"role":"user","content":"x"}],`;
}

/** A chat body whose messages are all of this text. */
export function conversation(model: string, message: string, bytes: number): Uint8Array {
  return filled(`{"model":${JSON.stringify(model)},"max_tokens":1,"messages":[`, message, "]}", bytes);
}

/** A list of the unit in a field of a chat body. */
export function listBomb(model: string, field: string, unit: string, bytes: number): Bomb {
  const body = filled(`${chatHead(model)}"${field}":[`, unit, "]}", bytes);
  return { name: `${field}: [${unit}, …]`, path: CHAT, body, field };
}

/** Anything in a field of a chat body, around a list of the unit. */
export function wrappedBomb(
  model: string,
  [field, open, close]: readonly [string, string, string],
  unit: string,
  bytes: number,
): Bomb {
  const body = filled(`${chatHead(model)}"${field}":${open}`, unit, `${close}}`, bytes);
  return { name: `${field}: ${open}${unit}, …${close}`, path: CHAT, body, field };
}

/** Nesting of this depth between two texts. */
export function nested(open: string, close: string, depth: number, [left, right]: readonly [string, string]) {
  return Buffer.concat([
    Buffer.from(open),
    Buffer.alloc(depth * left.length, left),
    Buffer.alloc(depth * right.length, right),
    Buffer.from(close),
  ]);
}
