import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type ModelFile, modelDigest } from "../models/model-digest.ts";

/**
 * Digest of a model that is built anew for every sweep: its weights count by their bytes, so that the same model has
 * one history although its files are always new.
 * @throws the file system's error
 */
export async function reducedDigest(directory: string): Promise<string> {
  const names = await readdir(directory);
  return await modelDigest(directory, await Promise.all(names.map((name) => describe(directory, name))));
}

async function describe(directory: string, name: string): Promise<ModelFile> {
  const path = join(directory, name);
  const { size: sizeBytes, mtimeMs: modifiedMs } = await stat(path);
  // At most 80 MB: the builder refuses more parameters than that.
  const blob = name.endsWith(".safetensors")
    ? createHash("sha256")
        .update(await readFile(path))
        .digest("hex")
    : null;
  return { name, sizeBytes, modifiedMs, blob };
}
