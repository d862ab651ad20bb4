/**
 * Heap that JSON.parse takes for a text, bytes per kind of value. Upper bounds, measured on V8 13.6 (Node 24) by
 * test/json/json-meter.test.ts, which parses each kind in a process of its own and compares: `{}` 64, `[0]` 64, a key
 * that was never seen 120, an object whose key is a small whole number 360 however few members it has (V8 gives it a
 * table of numbered slots), a number 8, a string 24 and up to two bytes a character.
 */
const HEAP_BYTES = { object: 64, numberedSlots: 320, key: 128, array: 64, value: 16, string: 32 } as const;
/** Of a character beyond Latin-1; which ones are is not looked at. */
const BYTES_PER_CHARACTER = 2;

/** What a JSON text would become. */
export interface JsonMeasure {
  readonly bytes: number;
  readonly objects: number;
  readonly arrays: number;
  /** Members of objects. */
  readonly keys: number;
  /** Strings, numbers, `true`, `false` and `null` that are values. */
  readonly scalars: number;
  /** Deepest nesting; 1 for `[]`. */
  readonly depth: number;
  /** What the parsed value takes of the heap, bytes. An upper bound. */
  readonly heapBytes: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COLON = 0x3a;
const TRACKED_DEPTH = 128;
/** A native search costs as much as looking at so many bytes. */
const SHORT_STRING_BYTES = 64;
/** Names of top-level members are told up to this length, bytes; longer ones are cut. */
const MAX_NAME_BYTES = 64;

/**
 * Counts the values of a JSON text without building any: what it would become is known before it is parsed. Takes the
 * text in pieces as they arrive and does not check it; of a malformed text it tells a bound all the same.
 */
export class JsonMeter implements JsonMeasure {
  bytes = 0;
  objects = 0;
  arrays = 0;
  keys = 0;
  scalars = 0;
  depth = 0;
  heapBytes = 0;
  #open = 0;
  /** Of each open container, whether it has a numbered key. Deeper ones than these are taken for new each time. */
  readonly #numbered: boolean[] = [];
  #inString = false;
  #escaped = false;
  /** The string may be a key: its bytes are a value's until a colon follows. */
  #stringBytes = 0;
  #nextBackslash = -1;
  #startsWithDigit = false;
  #lastWasString = false;
  #inWord = false;
  #rootIsObject = false;
  readonly #name: number[] = [];
  readonly #onMember: ((name: string) => void) | undefined;

  /** @param onMember told the name of each member of the root object when its value is about to begin */
  constructor(onMember?: (name: string) => void) {
    this.#onMember = onMember;
  }

  /** All objects, arrays and scalars so far. */
  get values(): number {
    return this.objects + this.arrays + this.scalars;
  }

  feed(piece: Uint8Array): void {
    const before = this.bytes;
    this.#nextBackslash = -1;
    for (let at = 0; at < piece.length; ) {
      if (this.#inString) at = this.#string(piece, at);
      else {
        this.bytes = before + at;
        this.#between(piece[at] as number);
        at += 1;
      }
    }
    this.bytes = before + piece.length;
  }

  /** Takes what the piece holds of the string; returns what follows it. */
  #string(piece: Uint8Array, start: number): number {
    let at = start;
    if (this.#escaped) {
      this.#escaped = false;
      at += 1;
    }
    for (;;) {
      const stop = this.#quoteOrBackslash(piece, at);
      if (piece[stop] === BACKSLASH && stop + 1 < piece.length) {
        at = stop + 2;
        continue;
      }
      this.#escaped = piece[stop] === BACKSLASH;
      const isOver = piece[stop] === QUOTE;
      this.#noteString(piece, start, isOver ? stop : piece.length);
      if (isOver) this.#endString();
      return isOver ? stop + 1 : piece.length;
    }
  }

  /** Where the string ends or is escaped, the piece's length if nowhere. Short ones by hand, long ones by native search. */
  #quoteOrBackslash(piece: Uint8Array, start: number): number {
    const near = Math.min(start + SHORT_STRING_BYTES, piece.length);
    for (let at = start; at < near; at += 1) {
      const byte = piece[at];
      if (byte === QUOTE || byte === BACKSLASH) return at;
    }
    if (near === piece.length) return near;
    const quote = piece.indexOf(QUOTE, near);
    return Math.min(quote === -1 ? piece.length : quote, this.#backslashFrom(piece, near));
  }

  /** Of the next backslash in the piece; its length: there is none. Looked for once, not for each string anew. */
  #backslashFrom(piece: Uint8Array, at: number): number {
    if (this.#nextBackslash < at) {
      const found = piece.indexOf(BACKSLASH, at);
      this.#nextBackslash = found === -1 ? piece.length : found;
    }
    return this.#nextBackslash;
  }

  #noteString(piece: Uint8Array, start: number, end: number): void {
    if (this.#stringBytes === 0 && end > start) this.#startsWithDigit = isDigit(piece[start] as number);
    if (this.#open === 1 && this.#onMember !== undefined) {
      const room = Math.min(end, start + MAX_NAME_BYTES - this.#name.length);
      for (let at = start; at < room; at += 1) this.#name.push(piece[at] as number);
    }
    this.#stringBytes += end - start;
  }

  #endString(): void {
    this.#inString = false;
    this.#lastWasString = true;
    this.scalars += 1;
    this.heapBytes += HEAP_BYTES.value + HEAP_BYTES.string + this.#stringBytes * BYTES_PER_CHARACTER;
  }

  #between(byte: number): void {
    if (byte === QUOTE) {
      this.#inString = true;
      this.#startsWithDigit = false;
      this.#stringBytes = 0;
      this.#name.length = 0;
      this.#inWord = false;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#openContainer(byte === OPEN_OBJECT);
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      this.#open -= this.#open > 0 ? 1 : 0;
      this.#inWord = false;
    } else if (byte === COLON) this.#key();
    else if (isWordByte(byte)) this.#word();
    else this.#inWord = false;
  }

  #openContainer(isObject: boolean): void {
    if (isObject) this.objects += 1;
    else this.arrays += 1;
    this.heapBytes += HEAP_BYTES.value + (isObject ? HEAP_BYTES.object : HEAP_BYTES.array);
    if (this.values === 1) this.#rootIsObject = isObject;
    this.#open += 1;
    if (this.#open > this.depth) this.depth = this.#open;
    if (this.#open <= TRACKED_DEPTH) this.#numbered[this.#open] = false;
    this.#inWord = false;
  }

  /** What looked like a string value was a key. */
  #key(): void {
    this.#inWord = false;
    if (!this.#lastWasString) return;
    this.#lastWasString = false;
    this.scalars -= 1;
    this.keys += 1;
    this.heapBytes += HEAP_BYTES.key - HEAP_BYTES.string - HEAP_BYTES.value;
    if (this.#open === 1 && this.#rootIsObject) this.#onMember?.(readName(this.#name));
    if (!this.#startsWithDigit || this.#numbered[this.#open] === true) return;
    this.heapBytes += HEAP_BYTES.numberedSlots;
    if (this.#open <= TRACKED_DEPTH) this.#numbered[this.#open] = true;
  }

  #word(): void {
    if (this.#inWord) return;
    this.#inWord = true;
    this.scalars += 1;
    this.heapBytes += HEAP_BYTES.value;
  }
}

/** What a whole JSON text would become. */
export function measureJson(bytes: Uint8Array): JsonMeasure & { readonly values: number } {
  const meter = new JsonMeter();
  meter.feed(bytes);
  return meter;
}

/** A key as JSON.parse would read it; one with a broken or cut escape as it stands. */
function readName(bytes: readonly number[]): string {
  const raw = new TextDecoder().decode(Uint8Array.from(bytes));
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return raw;
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Part of a number, `true`, `false`, `null`, or of Python's NaN and Infinity. */
function isWordByte(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x7a) || byte === 0x2d || byte === 0x2b || byte === 0x2e;
}
