import { LmxError } from "../../../shared/errors.ts";
import { JsonMeter } from "../../json/json-meter.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** What a body, and each of its top-level fields, may hold. */
export interface BodyLimits {
  /** Whole body, bytes. */
  readonly bytes: number;
  /** What the whole body becomes when it is parsed, bytes of the heap. */
  readonly heapBytes: number;
  /** Deeper than any tool schema; shallow enough that no recursive reader further down runs out of stack. */
  readonly nesting: number;
  /** By name; `other` is for all fields together that are not listed. */
  readonly fields: Readonly<Record<string, FieldLimits>> & { readonly other: FieldLimits };
}

export interface FieldLimits {
  /** Objects, lists, strings, numbers and literals together. */
  readonly values: number;
  /** Of the JSON text. */
  readonly bytes: number;
}

const NESTING = 128;
const MAX_INFERENCE_BYTES = 16 * MIB;

/**
 * Inference. The longest contexts of today, a million tokens, are 4 to 6 MB of text; sixteen million bytes hold them
 * with every character escaped. A conversation of a million tokens that is nothing but tool calls has some 60,000
 * values.
 */
export const INFERENCE_LIMITS: BodyLimits = {
  bytes: MAX_INFERENCE_BYTES,
  // Sixteen MiB of text beyond Latin-1, and as much again for its structure.
  heapBytes: 64 * MIB,
  nesting: NESTING,
  fields: {
    messages: { values: 100_000, bytes: MAX_INFERENCE_BYTES },
    tools: { values: 50_000, bytes: 4 * MIB },
    functions: { values: 50_000, bytes: 4 * MIB },
    // Token ids: as many as the longest contexts hold.
    prompt: { values: 1_100_000, bytes: MAX_INFERENCE_BYTES },
    suffix: { values: 1, bytes: MAX_INFERENCE_BYTES },
    // Sixteen texts of a thousand characters, each of them escaped.
    stop: { values: 17, bytes: 128 * KIB },
    logit_bias: { values: 20_000, bytes: 512 * KIB },
    chat_template_kwargs: { values: 5_000, bytes: 256 * KIB },
    response_format: { values: 20_000, bytes: 1 * MIB },
    other: { values: 5_000, bytes: 512 * KIB },
  },
};

/** Operators' words: a model's name, options, a reason. */
export const ADMIN_LIMITS: BodyLimits = {
  bytes: 256 * KIB,
  heapBytes: 8 * MIB,
  nesting: NESTING,
  fields: { other: { values: 5_000, bytes: 256 * KIB } },
};

/** Watches a body while it arrives: one that would become too much is refused before it is read to its end. */
export class BodyMeter {
  readonly #limits: BodyLimits;
  readonly #meter = new JsonMeter((name) => this.#begin(name));
  /** What fields that have ended hold, by the name of their limit: a field may come twice. */
  readonly #ended = new Map<string, FieldLimits>();
  #field: { readonly name: string; readonly from: FieldLimits } | null = null;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** All values of the body so far. */
  get values(): number {
    return this.#meter.values;
  }

  /** @throws LmxError request_too_large for the whole, invalid_request_error naming the field for a part */
  feed(piece: Uint8Array): void {
    const { bytes, heapBytes, nesting, fields } = this.#limits;
    if (this.#meter.bytes + piece.length > bytes) throw tooLarge(bytes);
    this.#meter.feed(piece);
    this.#checkField();
    if (this.#meter.depth > nesting) throw tooDeep(this.#field?.name ?? BODY, nesting);
    if (this.#meter.heapBytes > heapBytes) throw tooMuchMemory(this.#field?.name ?? BODY, heapBytes);
    // A root that is no object has no fields.
    if (this.#field === null && this.#meter.values > fields.other.values)
      throw tooMany(BODY, fields.other.values);
  }

  #begin(name: string): void {
    if (this.#field !== null) this.#ended.set(this.#limitName(this.#field.name), this.#checkField());
    const { values, bytes } = this.#meter;
    this.#field = { name, from: { values, bytes } };
  }

  /** What all fields under the current one's limit hold together. @throws LmxError invalid_request_error */
  #checkField(): FieldLimits {
    if (this.#field === null) return NOTHING;
    const { name, from } = this.#field;
    const limitName = this.#limitName(name);
    const limits = this.#limits.fields[limitName] ?? this.#limits.fields.other;
    const before = this.#ended.get(limitName) ?? NOTHING;
    const values = before.values + this.#meter.values - from.values;
    // Until its colon comes, the next field's name looks like one more value of this field.
    const bytes = Math.max(before.bytes, before.bytes + this.#meter.bytes - from.bytes - NEXT_NAME_BYTES);
    if (values - 1 > limits.values) throw tooMany(name, limits.values);
    if (bytes > limits.bytes) throw tooLong(name, limits.bytes);
    return { values, bytes };
  }

  #limitName(name: string): string {
    return Object.hasOwn(this.#limits.fields, name) ? name : "other";
  }
}

/** Of a body that says its length before it is read. @throws LmxError request_too_large */
export function checkDeclaredLength(bytes: number, limits: BodyLimits): void {
  if (bytes > limits.bytes) throw tooLarge(limits.bytes);
}

const NOTHING: FieldLimits = { values: 0, bytes: 0 };
/** A comma, quotes, a name and a colon. */
const NEXT_NAME_BYTES = 128;
/** In place of a field's name where there is none. */
const BODY = "body";

function tooDeep(name: string, limit: number): LmxError {
  const message = `${shown(name)}: nested deeper than ${limit} levels.`;
  return new LmxError("invalid_request_error", message, paramOf(name));
}

function tooMuchMemory(name: string, limit: number): LmxError {
  const message = `${shown(name)}: here the body is over the ${limit} bytes of memory it may take when it is read; send fewer and longer values.`;
  return new LmxError("request_too_large", message, paramOf(name));
}

function tooLarge(limit: number): LmxError {
  return new LmxError(
    "request_too_large",
    `The body is larger than ${limit} bytes; send a shorter conversation.`,
  );
}

function tooMany(name: string, limit: number): LmxError {
  const message = `${shown(name)}: more than ${limit} values (objects, lists, strings and numbers together); send fewer.`;
  return new LmxError("invalid_request_error", message, paramOf(name));
}

function tooLong(name: string, limit: number): LmxError {
  return new LmxError("invalid_request_error", `${shown(name)}: longer than ${limit} bytes.`, paramOf(name));
}

function paramOf(name: string): { readonly param?: string } {
  return name === BODY ? {} : { param: shown(name) };
}

/** A client's own name of a field may be anything. */
function shown(name: string): string {
  return name.slice(0, 64).toWellFormed();
}
