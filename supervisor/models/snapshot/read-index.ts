import type { JsonHandler } from "./json-scanner.ts";

/** Hands on `weight_map` of model.safetensors.index.json, entry by entry: it may have hundreds of thousands. */
export class IndexReader implements JsonHandler {
  readonly #visit: (tensor: string, file: string) => void;
  #depth = 0;
  #section = "";
  #tensor = "";

  constructor(visit: (tensor: string, file: string) => void) {
    this.#visit = visit;
  }

  start(): void {
    this.#depth += 1;
  }

  end(): void {
    this.#depth -= 1;
  }

  key(text: () => string): void {
    if (this.#depth === 1) this.#section = text();
    else if (this.#depth === 2 && this.#section === "weight_map") this.#tensor = text();
  }

  string(text: () => string): void {
    if (this.#depth === 2 && this.#section === "weight_map") this.#visit(this.#tensor, text());
  }

  number(): void {}

  literal(): void {}
}
