import { execFile, execFileSync } from "node:child_process";
import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { CatalogueEntry } from "../../supervisor/models/catalogue-entry.ts";
import { MOST_FILES } from "../../supervisor/models/most-files.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { writeModel } from "./model-directory.ts";
import { GENEROUS_TURN_MS } from "./snapshot/measure-inspection.ts";

interface Scan {
  readonly models: readonly CatalogueEntry[];
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
  readonly longestTurnMs: number;
  readonly grownMegabytes: number;
}

/** A catalogue's first look at a root, in a process of its own. */
async function scan(root: string): Promise<Scan> {
  const script = fileURLToPath(import.meta.resolve("./scan-and-measure.ts"));
  const { stdout } = await promisify(execFile)(process.execPath, [script, root]);
  return JSON.parse(stdout) as Scan;
}

describe("looking for models", () => {
  it("among bombs of all kinds stays small and lets others run", async () => {
    const root = await temporaryDirectory();
    const objects = `[${'{"34":0},'.repeat(800_000)}{}]`;
    for (let index = 0; index < 12; index += 1) {
      const path = await writeModel(root, `org/bomb${index}`);
      await writeFile(
        join(path, "config.json"),
        `{"model_type":"llama","n_ctx":4096,"text_config":${objects}}`,
      );
      // A header of 99 MB, all of it a hole.
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(99_000_000n);
      await writeFile(join(path, "model.safetensors"), length);
      await truncate(join(path, "model.safetensors"), 100_000_000);
    }
    const { models, grownMegabytes, longestTurnMs } = await scan(root);
    expect(models.map(({ modelType, contextLength }) => [modelType, contextLength])).toEqual(
      Array.from({ length: 12 }, () => ["llama", 4096]),
    );
    expect(models.every(({ digest }) => digest !== null)).toBe(true);
    expect(grownMegabytes).toBeLessThan(150);
    expect(longestTurnMs).toBeLessThan(GENEROUS_TURN_MS);
  });

  it("does not wait for pipes in the place of files, nor for one between other models", async () => {
    const root = await temporaryDirectory();
    for (const name of ["config.json", "tokenizer.json", "model.safetensors"]) {
      const path = await writeModel(root, `org/${name}`);
      await rm(join(path, name));
      execFileSync("mkfifo", [join(path, name)]);
    }
    await writeModel(root, "org/sound");
    execFileSync("mkfifo", [join(root, "pipe"), join(root, "org", "pipe")]);
    const { models } = await scan(root);
    expect(models.map(({ id }) => id)).toContain("org/sound");
    expect(models.length).toBe(4);
  });

  it("does not wait for a pipe in the place of a ref of the Hugging Face cache", async () => {
    const root = await temporaryDirectory();
    const refs = join(root, "models--org--a", "refs");
    await mkdir(refs, { recursive: true });
    execFileSync("mkfifo", [join(refs, "main")]);
    expect((await scan(root)).models).toEqual([]);
  });

  it("leaves a directory of more files than any model has, and says why", async () => {
    const root = await temporaryDirectory();
    const path = await writeModel(root, "org/many");
    for (let index = 0; index <= MOST_FILES; index += 1) await writeFile(join(path, `${index}.txt`), "");
    await writeModel(root, "org/sound");
    const { models, refused } = await scan(root);
    expect(models.map(({ id }) => id)).toEqual(["org/sound"]);
    expect(refused).toMatchObject([
      { path, reason: expect.stringContaining(`more than ${MOST_FILES} files`) },
    ]);
  });
});
