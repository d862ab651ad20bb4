import { isUtf8 } from "node:buffer";
import { JsonError } from "./json-error.ts";
import { isWordByte, readDigits } from "./json-word.ts";

/** Deeper nesting is refused: Python's own reader gives up near 1000, and no model file comes close. */
const MAX_DEPTH = 500;
/** Bytes of one string. Chat templates are the longest that occur, at some hundred kilobytes. */
const MAX_STRING_BYTES = 2 * 1024 * 1024;
/** Bytes of one number, beyond what any reader takes for one. */
const MAX_WORD_BYTES = 8 * 1024;

/** What a scan tells, in the order of the text. Strings come as a function: most are never looked at. */
export interface JsonHandler {
  start(isObject: boolean): void;
  end(): void;
  key(text: () => string): void;
  string(text: () => string): void;
  number(value: number): void;
  literal(value: boolean | null): void;
}

/** `python`: NaN and Infinity are numbers. `safetensors`: a leading byte order mark and trailing NULs are nothing. */
export type JsonFlavour = "python" | "safetensors";

type Expected = "value" | "value-or-end" | "key" | "key-or-end" | "colon" | "comma-or-end" | "nothing";

/**
 * Reads JSON piece by piece, so that a hostile or merely huge text neither blocks the event loop nor fills memory:
 * the caller feeds what it has read and may pause between pieces. Nothing is built but what the handler builds.
 */
export class JsonScanner {
  readonly #handler: JsonHandler;
  readonly #flavour: JsonFlavour;
  readonly #isObject: boolean[] = [];
  #expected: Expected = "value";
  /** Read and not complete yet, in pieces. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** It is a string without its closing quote… */
  #isInString = false;
  /** …and ends between a backslash and what that escapes. */
  #isCutInEscape = false;
  /** Bytes of the text before `#bytes`. */
  #offset = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #isEscaped = false;
  #isAscii = true;
  readonly #text = (): string => this.#decode();

  constructor(handler: JsonHandler, flavour: JsonFlavour) {
    this.#handler = handler;
    this.#flavour = flavour;
  }

  /** @throws JsonError at the first byte that cannot be right */
  feed(piece: Buffer): void {
    if (this.#isInString && !this.#endsString(piece)) {
      this.#rest.push(piece);
      this.#restBytes += piece.length;
      if (this.#restBytes > MAX_STRING_BYTES) this.#fail("a string that never ends", 0);
      return;
    }
    this.#bytes = this.#rest.length === 0 ? piece : Buffer.concat([...this.#rest, piece]);
    let at = this.#offset === 0 ? this.#afterMark() : 0;
    while (at < this.#bytes.length) {
      const next = this.#step(at);
      if (next === -1) break;
      at = next;
    }
    this.#offset += at;
    this.#keep(this.#bytes.subarray(at));
  }

  /** To be called after the last piece. @throws JsonError when the text is cut off */
  finish(): void {
    // A number at the very end is only known to be complete now.
    if (this.#restBytes > 0 && !this.#isInString) this.feed(Buffer.from(" "));
    if (this.#restBytes > 0 || this.#expected !== "nothing")
      this.#fail("unexpected end of text", this.#restBytes);
  }

  /** What is not complete yet begins the next piece. */
  #keep(rest: Buffer): void {
    this.#rest = rest.length === 0 ? [] : [rest];
    this.#restBytes = rest.length;
    this.#isInString = rest[0] === 0x22;
    if (!this.#isInString && rest.length > MAX_WORD_BYTES) this.#fail("a number that never ends", 0);
  }

  /** Looked for in the new piece alone: put together and read anew each time, a long string would take its square. */
  #endsString(piece: Buffer): boolean {
    let at = this.#isCutInEscape ? 1 : 0;
    for (; at < piece.length; at += 1) {
      if (piece[at] === 0x22) return true;
      if (piece[at] === 0x5c) at += 1;
    }
    this.#isCutInEscape = at > piece.length;
    return false;
  }

  #afterMark(): number {
    const hasMark = this.#bytes.length >= 3 && this.#bytes.readUIntBE(0, 3) === 0xef_bb_bf;
    return hasMark && this.#flavour === "safetensors" ? 3 : 0;
  }

  /** Reads one token; returns where the next begins, −1 when this one is not complete yet. */
  #step(at: number): number {
    const byte = this.#bytes[at] as number;
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return at + 1;
    switch (this.#expected) {
      case "key-or-end":
        if (byte === 0x7d) return this.#close(at);
        return this.#key(at, byte);
      case "key":
        return this.#key(at, byte);
      case "colon":
        if (byte !== 0x3a) this.#fail("expected a colon", at);
        this.#expected = "value";
        return at + 1;
      case "value-or-end":
        if (byte === 0x5d) return this.#close(at);
        return this.#value(at, byte);
      case "value":
        return this.#value(at, byte);
      case "comma-or-end":
        return this.#comma(at, byte);
      case "nothing":
        if (byte !== 0 || this.#flavour !== "safetensors") this.#fail("text after the end", at);
        return at + 1;
      default:
        return this.#expected satisfies never;
    }
  }

  #comma(at: number, byte: number): number {
    const isObject = this.#isObject.at(-1) === true;
    if (byte === (isObject ? 0x7d : 0x5d)) return this.#close(at);
    if (byte !== 0x2c) this.#fail("expected a comma or the end of the list or object", at);
    this.#expected = isObject ? "key" : "value";
    return at + 1;
  }

  #close(at: number): number {
    this.#isObject.pop();
    this.#afterValue();
    this.#handler.end();
    return at + 1;
  }

  #afterValue(): void {
    this.#expected = this.#isObject.length === 0 ? "nothing" : "comma-or-end";
  }

  #key(at: number, byte: number): number {
    if (byte !== 0x22) this.#fail("expected a key in double quotes", at);
    const next = this.#readString(at);
    if (next === -1) return -1;
    this.#expected = "colon";
    this.#handler.key(this.#text);
    return next;
  }

  #value(at: number, byte: number): number {
    if (byte === 0x7b || byte === 0x5b) return this.#open(at, byte === 0x7b);
    if (byte === 0x22) {
      const next = this.#readString(at);
      if (next === -1) return -1;
      this.#afterValue();
      this.#handler.string(this.#text);
      return next;
    }
    return this.#readWord(at);
  }

  #open(at: number, isObject: boolean): number {
    if (this.#isObject.length >= MAX_DEPTH) this.#fail(`nested deeper than ${MAX_DEPTH}`, at);
    this.#isObject.push(isObject);
    this.#expected = isObject ? "key-or-end" : "value-or-end";
    this.#handler.start(isObject);
    return at + 1;
  }

  /** Leaves the string's bytes in #start..#end; returns what follows the closing quote, or −1. */
  #readString(at: number): number {
    const bytes = this.#bytes;
    this.#isEscaped = false;
    let seen = 0;
    let index = at + 1;
    for (; index < bytes.length; index += 1) {
      const byte = bytes[index] as number;
      seen |= byte;
      if (byte === 0x22) {
        this.#start = at + 1;
        this.#end = index;
        this.#isAscii = seen < 0x80;
        return index + 1;
      }
      if (byte === 0x5c) {
        this.#isEscaped = true;
        index += 1;
      } else if (byte < 0x20) this.#fail("control character in a string", index);
    }
    this.#isCutInEscape = index > bytes.length;
    return -1;
  }

  #readWord(at: number): number {
    const bytes = this.#bytes;
    const digits = readDigits(bytes, at);
    if (digits.end !== -1) {
      this.#afterValue();
      this.#handler.number(digits.value);
      return digits.end;
    }
    let end = at;
    while (end < bytes.length && isWordByte(bytes[end] as number)) end += 1;
    if (end === bytes.length) return -1;
    const word = bytes.toString("latin1", at, Math.min(end, at + 64));
    if (end === at) this.#fail("unexpected character", at);
    this.#afterValue();
    if (word === "true" || word === "false" || word === "null") {
      this.#handler.literal(word === "null" ? null : word === "true");
    } else if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(word)) {
      this.#handler.number(Number(word));
    } else if (this.#flavour === "python" && /^(?:NaN|-?Infinity)$/.test(word)) {
      this.#handler.number(Number(word));
    } else this.#fail(`unknown word ${JSON.stringify(word.slice(0, 20))}`, at);
    return end;
  }

  #decode(): string {
    if (this.#isAscii && !this.#isEscaped) return this.#bytes.toString("latin1", this.#start, this.#end);
    const slice = this.#bytes.subarray(this.#start, this.#end);
    const text = slice.toString();
    if (text.includes("\u{fffd}") && !isUtf8(slice)) this.#fail("bytes that are not UTF-8", this.#start);
    if (!this.#isEscaped) return text;
    try {
      return JSON.parse(`"${text}"`) as string;
    } catch {
      return this.#fail("bad escape in a string", this.#start);
    }
  }

  #fail(message: string, at: number): never {
    throw new JsonError(message, this.#offset + at);
  }
}
