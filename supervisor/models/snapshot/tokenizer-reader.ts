import type { JsonHandler } from "./json-scanner.ts";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
}

/**
 * Collects from tokenizer.json what says how large its vocabulary is: the largest id, and the tokens added to it.
 * The vocabulary itself, up to tens of megabytes, is not kept.
 */
export class TokenizerReader implements JsonHandler {
  /** Of the vocabulary proper; −1: none. */
  largestId = -1;
  readonly added: AddedToken[] = [];
  /** There is a `model` object. */
  hasModel = false;
  /** The key being read in every open object, `[]` for a list. */
  readonly #path: string[] = [];
  #pieces = 0;
  #id = -1;
  #content = "";

  start(isObject: boolean): void {
    this.#path.push(isObject ? "" : "[]");
    if (isObject && this.#path.length === 2 && this.#path[0] === "model") this.hasModel = true;
    // A vocabulary that is a list counts its pieces: [["a", -1.5], …].
    if (!isObject && this.#path.length === 4 && this.#isInVocabulary()) {
      this.largestId = Math.max(this.largestId, this.#pieces);
      this.#pieces += 1;
    }
    if (this.#isAddedToken()) [this.#id, this.#content] = [-1, ""];
  }

  end(): void {
    if (this.#isAddedToken() && this.#id >= 0) this.added.push({ id: this.#id, content: this.#content });
    this.#path.pop();
  }

  key(text: () => string): void {
    // The keys of the vocabulary are its tokens: far too many to decode each.
    if (this.#path.length !== 3 || !this.#isInVocabulary()) this.#path[this.#path.length - 1] = text();
  }

  string(text: () => string): void {
    if (this.#isAddedToken() && this.#path[2] === "content") this.#content = text();
  }

  number(value: number): void {
    if (this.#isAddedToken() && this.#path[2] === "id") this.#id = value;
    else if (this.#path.length === 3 && this.#path[2] !== "[]" && this.#isInVocabulary())
      this.largestId = Math.max(this.largestId, value);
  }

  literal(): void {}

  #isInVocabulary(): boolean {
    return this.#path[0] === "model" && this.#path[1] === "vocab";
  }

  #isAddedToken(): boolean {
    return (
      this.#path.length === 3 &&
      this.#path[0] === "added_tokens" &&
      this.#path[1] === "[]" &&
      this.#path[2] !== "[]"
    );
  }
}
