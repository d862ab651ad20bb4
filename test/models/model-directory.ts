import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A safetensors file with this header and as many bytes of weights. */
export function safetensors(header: object, weightBytes = 16): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(weightBytes)]);
}

/** Writes what a model directory has, small; returns its path. */
export async function writeModel(
  root: string,
  name: string,
  config: object = { model_type: "llama" },
): Promise<string> {
  const path = join(root, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "config.json"), JSON.stringify(config));
  await writeFile(join(path, "tokenizer.json"), "{}");
  await writeFile(join(path, "model.safetensors"), safetensors({ w: { dtype: "F16", shape: [8] } }));
  return path;
}
