import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** A header whose tensors lie one behind the other; `F32` and 4 bytes an element. */
export function headerOf(shapes: Readonly<Record<string, readonly number[]>>): Record<string, Entry> {
  let at = 0;
  const entries = Object.entries(shapes).map(([name, shape]): [string, Entry] => {
    const begin = at;
    at += 4 * shape.reduce((product, length) => product * length, 1);
    return [name, { dtype: "F32", shape, data_offsets: [begin, at] }];
  });
  return Object.fromEntries(entries);
}

/** A safetensors file; by default with just the bytes its header speaks of. */
export function shardBytes(header: object | string, dataBytes?: number): Buffer {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const ends =
    typeof header === "string"
      ? [0]
      : Object.values(header as Record<string, Entry>).map((entry) => entry.data_offsets[1]);
  return Buffer.concat([length, text, Buffer.alloc(dataBytes ?? Math.max(0, ...ends))]);
}

export const SOUND_SHAPES = {
  "model.embed_tokens.weight": [8, 4],
  "model.layers.0.mlp.weight": [4, 4],
  "model.layers.1.mlp.weight": [4, 4],
};

/** Files of a model nothing is wrong with, by name. */
export const SOUND_FILES: Readonly<Record<string, string | Buffer>> = {
  "config.json": JSON.stringify({ model_type: "llama", num_hidden_layers: 2, eos_token_id: 0 }),
  "tokenizer.json": JSON.stringify({
    model: { vocab: { a: 0, b: 7 } },
    added_tokens: [{ id: 1, content: "<s>" }],
  }),
  "tokenizer_config.json": JSON.stringify({
    tokenizer_class: "PreTrainedTokenizerFast",
    chat_template: "{{ messages }}",
  }),
  "model.safetensors": shardBytes(headerOf(SOUND_SHAPES)),
};

/** Writes a sound model with some of its files changed, or left out where null; returns its path. */
export async function writeSnapshot(
  root: string,
  changes: Readonly<Record<string, string | Buffer | null>> = {},
): Promise<string> {
  const path = join(root, "model");
  await mkdir(path);
  for (const [name, content] of Object.entries({ ...SOUND_FILES, ...changes }))
    if (content !== null) await writeFile(join(path, name), content);
  return path;
}
