import type { RegistryEntry } from "../../shared/registry.ts";
import { keyOf, type RegistryKey } from "./registry-rows.ts";

/** Rows the registry holds in all. */
const MAX_ROWS = 2_000;
/** Rows the registry holds for one key. */
const MAX_ROWS_PER_KEY = 50;

/**
 * The newest rows within both bounds. A key's newest pass is the last of its rows to go: a model proven once must not
 * become unproven because others, or its own failures, wrote many rows.
 */
export class BoundedRows {
  /** Row to the text of its key, oldest first. */
  readonly #rows = new Map<RegistryEntry, string>();
  readonly #ofKey = new Map<string, RegistryEntry[]>();
  readonly #newestPass = new Map<string, RegistryEntry>();

  constructor(rows: readonly RegistryEntry[] = []) {
    for (const row of rows) this.add(row);
  }

  add(row: RegistryEntry): void {
    const key = textOf(keyOf(row));
    const ofKey = this.#ofKey.get(key) ?? [];
    ofKey.push(row);
    this.#ofKey.set(key, ofKey);
    this.#rows.set(row, key);
    if (row.outcome === "pass") this.#newestPass.set(key, row);
    if (ofKey.length > MAX_ROWS_PER_KEY) this.#removeOldest(ofKey);
    if (this.#rows.size > MAX_ROWS) this.#removeOldest(this.#rows.keys());
  }

  /** Oldest first. */
  all(): RegistryEntry[] {
    return [...this.#rows.keys()];
  }

  hasPass(key: RegistryKey): boolean {
    return this.#newestPass.has(textOf(key));
  }

  /** Of exactly this key, oldest first. */
  ofKey(key: RegistryKey): readonly RegistryEntry[] {
    return this.#ofKey.get(textOf(key)) ?? [];
  }

  #removeOldest(rows: Iterable<RegistryEntry>): void {
    let oldest: RegistryEntry | null = null;
    for (const row of rows) {
      oldest ??= row;
      if (this.#isNewestPass(row)) continue;
      this.#remove(row);
      return;
    }
    if (oldest !== null) this.#remove(oldest);
  }

  #isNewestPass(row: RegistryEntry): boolean {
    return this.#newestPass.get(this.#rows.get(row) ?? "") === row;
  }

  #remove(row: RegistryEntry): void {
    const key = this.#rows.get(row) ?? "";
    if (this.#isNewestPass(row)) this.#newestPass.delete(key);
    this.#rows.delete(row);
    const left = (this.#ofKey.get(key) ?? []).filter((other) => other !== row);
    if (left.length > 0) this.#ofKey.set(key, left);
    else this.#ofKey.delete(key);
  }
}

function textOf(key: RegistryKey): string {
  return JSON.stringify([key.model, key.backend, key.backendVersion, key.digest, key.mlxVersion, key.arch]);
}
