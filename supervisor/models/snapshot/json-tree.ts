import type { JsonValue } from "../../policy/admission/snapshot-facts.ts";
import { JsonTooLargeError } from "./json-error.ts";
import type { JsonHandler } from "./json-scanner.ts";

/**
 * Objects, lists, texts and numbers of one tree. The longest configs name each of some ten thousand modules that are
 * not quantised. A value with its key takes 500 bytes at most (json-meter.ts), beside the characters of texts, which
 * the length of the file bounds: 50 MB, and no later walk over the values that anybody would notice.
 */
export const MOST_VALUES = 100_000;

/** Builds what JSON.parse would, or of an object at the top only the members asked for. */
export class JsonTree implements JsonHandler {
  value: JsonValue = null;
  readonly #wanted: ReadonlySet<string> | null;
  readonly #open: (JsonValue[] | Map<string, JsonValue>)[] = [];
  readonly #keys: string[] = [];
  #values = 0;
  /** Containers that are open inside a member nobody asked for. */
  #skipped = 0;

  /** @param wanted keys of the outermost object; null: all of it */
  constructor(wanted: ReadonlySet<string> | null = null) {
    this.#wanted = wanted;
  }

  /** @throws JsonTooLargeError */
  start(isObject: boolean): void {
    if (this.#isUnwanted()) {
      this.#skipped += 1;
      return;
    }
    this.#count();
    this.#open.push(isObject ? new Map() : []);
    this.#keys.push("");
  }

  end(): void {
    if (this.#skipped > 0) {
      this.#skipped -= 1;
      return;
    }
    const ended = this.#open.pop() ?? [];
    this.#keys.pop();
    // fromEntries defines its keys: one named __proto__ is a key like any other.
    this.#put(Array.isArray(ended) ? ended : Object.fromEntries(ended));
  }

  key(text: () => string): void {
    // Read in any case: what is no text has to be found.
    const key = text();
    if (this.#skipped === 0) this.#keys[this.#keys.length - 1] = key;
  }

  string(text: () => string): void {
    this.#scalar(text());
  }

  number(value: number): void {
    this.#scalar(value);
  }

  literal(value: boolean | null): void {
    this.#scalar(value);
  }

  #scalar(value: JsonValue): void {
    if (this.#isUnwanted()) return;
    this.#count();
    this.#put(value);
  }

  #isUnwanted(): boolean {
    if (this.#skipped > 0) return true;
    const isMember = this.#open.length === 1 && !Array.isArray(this.#open[0]);
    return isMember && this.#wanted !== null && !this.#wanted.has(this.#keys[0] ?? "");
  }

  #count(): void {
    this.#values += 1;
    if (this.#values > MOST_VALUES) throw new JsonTooLargeError(`${MOST_VALUES} values`);
  }

  #put(value: JsonValue): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.value = value;
    else if (Array.isArray(parent)) parent.push(value);
    else parent.set(this.#keys.at(-1) ?? "", value);
  }
}
