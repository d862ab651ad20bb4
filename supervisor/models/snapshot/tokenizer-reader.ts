import { JsonTooLargeError } from "./json-error.ts";
import type { JsonHandler } from "./json-scanner.ts";

/** Speech and image models add a token for each of their codes: some hundred thousand. */
const MOST_ADDED = 300_000;
/** Characters of all of them together. */
const MOST_ADDED_CHARACTERS = 16 * 1024 * 1024;
/** Keys further in are never asked for, and each may be megabytes long. */
const KEPT_DEPTH = 3;

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
  #addedCharacters = 0;
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
    if (this.#isAddedToken() && this.#id >= 0) this.#add({ id: this.#id, content: this.#content });
    this.#path.pop();
  }

  key(text: () => string): void {
    if (this.#path.length > KEPT_DEPTH) return;
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

  #add(token: AddedToken): void {
    this.added.push(token);
    this.#addedCharacters += token.content.length;
    if (this.added.length > MOST_ADDED) throw new JsonTooLargeError(`${MOST_ADDED} added tokens`);
    if (this.#addedCharacters > MOST_ADDED_CHARACTERS)
      throw new JsonTooLargeError(`${MOST_ADDED_CHARACTERS} characters of added tokens`);
  }

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
