import type { JsonValue } from "../../policy/snapshot-facts.ts";
import type { JsonHandler } from "./json-scanner.ts";

/** Builds what JSON.parse would. */
export class JsonTree implements JsonHandler {
  value: JsonValue = null;
  readonly #open: (JsonValue[] | Map<string, JsonValue>)[] = [];
  readonly #keys: string[] = [];

  start(isObject: boolean): void {
    this.#open.push(isObject ? new Map() : []);
    this.#keys.push("");
  }

  end(): void {
    const ended = this.#open.pop() ?? [];
    this.#keys.pop();
    // fromEntries defines its keys: one named __proto__ is a key like any other.
    this.#put(Array.isArray(ended) ? ended : Object.fromEntries(ended));
  }

  key(text: () => string): void {
    this.#keys[this.#keys.length - 1] = text();
  }

  string(text: () => string): void {
    this.#put(text());
  }

  number(value: number): void {
    this.#put(value);
  }

  literal(value: boolean | null): void {
    this.#put(value);
  }

  #put(value: JsonValue): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.value = value;
    else if (Array.isArray(parent)) parent.push(value);
    else parent.set(this.#keys.at(-1) ?? "", value);
  }
}
