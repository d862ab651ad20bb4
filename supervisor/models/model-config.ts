import { diskAccess } from "./snapshot/file-access.ts";
import type { JsonHandler } from "./snapshot/json-scanner.ts";
import type { Pacer } from "./snapshot/pacer.ts";
import { scanFile } from "./snapshot/read-json.ts";

/** Per-layer quantisation tables make some config.json long; longer than this it is something else. Bytes. */
const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
/** The longest name of an architecture that is shown; a text in a file may have megabytes. Characters. */
const MAX_MODEL_TYPE = 128;

/** Architectures name their context length differently; the first of these that is there counts. */
const LENGTHS = ["max_position_embeddings", "max_sequence_length", "seq_length", "n_positions", "n_ctx"];

/** What config.json says about a model before anything is loaded. */
export interface ModelConfig {
  readonly modelType: string | null;
  /** Tokens. */
  readonly contextLength: number | null;
}

/**
 * Reads a model's config.json; a missing or broken one leaves the facts unknown, it is the load that refuses it.
 * @param sizeBytes null when there is no such file, and nothing else of that name is to be opened
 */
export async function readModelConfig(
  path: string,
  sizeBytes: number | null,
  pacer: Pacer,
): Promise<ModelConfig> {
  const unknown: ModelConfig = { modelType: null, contextLength: null };
  if (sizeBytes === null || sizeBytes > MAX_CONFIG_BYTES) return unknown;
  const reader = new ModelConfigReader();
  const file = { name: "config.json", path, kind: "file", sizeBytes } as const;
  const outcome = await scanFile(file, reader, diskAccess, pacer);
  return outcome.kind === "read" ? reader.config : unknown;
}

/** Keeps the few facts and lets the rest of the file go by: thousands of models are read at a start. */
class ModelConfigReader implements JsonHandler {
  #modelType: string | null = null;
  #lengths = new Map<string, number>();
  /** Multimodal models keep the language model's numbers in `text_config`. */
  #textLengths = new Map<string, number>();
  #depth = 0;
  #section = "";
  #key = "";

  get config(): ModelConfig {
    const longest = (lengths: ReadonlyMap<string, number>) =>
      LENGTHS.map((name) => lengths.get(name)).find((length) => length !== undefined);
    return {
      modelType: this.#modelType,
      contextLength: longest(this.#lengths) ?? longest(this.#textLengths) ?? null,
    };
  }

  start(isObject: boolean): void {
    this.#depth += 1;
    // A list has no keys: what is in it must not pass for a member.
    if (!isObject) this.#key = "";
    if (this.#depth === 2 && this.#section === "text_config") this.#textLengths = new Map();
  }

  end(): void {
    this.#depth -= 1;
    this.#key = "";
  }

  key(text: () => string): void {
    if (this.#depth > 2) return;
    this.#key = text();
    if (this.#depth === 1) this.#section = this.#key;
  }

  string(text: () => string): void {
    if (this.#depth !== 1) return;
    // Read whatever it belongs to: what is no text has to be found.
    const value = text();
    if (this.#key === "model_type")
      this.#modelType = value !== "" && value.length <= MAX_MODEL_TYPE ? value : null;
  }

  number(value: number): void {
    const lengths = this.#depth === 1 ? this.#lengths : this.#textLengths;
    const isInside = this.#depth === 1 || (this.#depth === 2 && this.#section === "text_config");
    if (!isInside || !LENGTHS.includes(this.#key)) return;
    if (Number.isSafeInteger(value) && value > 0) lengths.set(this.#key, value);
    else lengths.delete(this.#key);
  }

  literal(): void {}
}
