import { readdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { modelDigest } from "../../supervisor/models/model-digest.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { safetensors, writeModel } from "./model-directory.ts";

const LONG_AGO = new Date("2020-01-01T00:00:00Z");

async function digestOf(directory: string, blobs: Record<string, string> = {}): Promise<string> {
  const names = await readdir(directory);
  const files = await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(directory, name));
      return { name, sizeBytes: size, modifiedMs: mtimeMs, blob: blobs[name] ?? null };
    }),
  );
  return await modelDigest(directory, files);
}

/** A model, and what its digest is before and after a change; every mtime is the same unless the change sets it. */
async function changedBy(change: (directory: string) => Promise<void>): Promise<boolean> {
  const directory = await writeModel(await temporaryDirectory(), "org/a");
  for (const name of await readdir(directory)) await utimes(join(directory, name), LONG_AGO, LONG_AGO);
  const before = await digestOf(directory);
  await change(directory);
  return before !== (await digestOf(directory));
}

async function rewrite(path: string, content: string | Buffer): Promise<void> {
  await writeFile(path, content);
  await utimes(path, LONG_AGO, LONG_AGO);
}

describe("the digest of a model", () => {
  it.each([
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "chat_template.jinja",
    "merges.txt",
    "vocab.bpe",
    "source.spm",
    "my_vocab_file.txt",
    "vocab.jsonl",
    "modeling.py",
  ])("changes with the bytes of %s, even within the same size and second", async (name) => {
    expect(await changedBy((directory) => rewrite(join(directory, name), "[]"))).toBe(true);
  });

  it.each(["README.md", "LICENSE", ".DS_Store", "preview.png"])("does not change with %s", async (name) => {
    expect(await changedBy((directory) => rewrite(join(directory, name), "new"))).toBe(false);
  });

  it("changes with a shard's header, size, time and name, and with another shard", async () => {
    const header = { w: { dtype: "F16", shape: [8] } };
    const shard = (directory: string) => join(directory, "model.safetensors");
    expect(await changedBy((directory) => rewrite(shard(directory), safetensors(header)))).toBe(false);
    expect(
      await changedBy((directory) =>
        rewrite(shard(directory), safetensors({ w: { dtype: "F32", shape: [8] } })),
      ),
    ).toBe(true);
    expect(await changedBy((directory) => rewrite(shard(directory), safetensors(header, 15)))).toBe(true);
    expect(await changedBy((directory) => utimes(shard(directory), new Date(), new Date()))).toBe(true);
    expect(
      await changedBy((directory) => rewrite(join(directory, "more.safetensors"), safetensors(header))),
    ).toBe(true);
  });

  it("does not change when a small file is copied: its bytes say it all", async () => {
    expect(
      await changedBy((directory) => utimes(join(directory, "config.json"), new Date(), new Date())),
    ).toBe(false);
  });

  it("goes by the hash of a file where there is one, not by its time or bytes", async () => {
    const directory = await writeModel(await temporaryDirectory(), "org/a");
    const shard = join(directory, "model.safetensors");
    const blobs = { "model.safetensors": "a".repeat(64) };
    const before = await digestOf(directory, blobs);
    await utimes(shard, LONG_AGO, LONG_AGO);
    expect(await digestOf(directory, blobs)).toBe(before);
    expect(await digestOf(directory, { "model.safetensors": "b".repeat(64) })).not.toBe(before);
    expect(await digestOf(directory)).not.toBe(before);
    await writeFile(shard, "cut");
    expect(await digestOf(directory, blobs)).not.toBe(before);
  });

  it("changes at either end of a large tokenizer, and with its time", async () => {
    const large = Buffer.alloc(3_000_000, "x");
    const end = Buffer.from(large);
    end[large.length - 1] = 0;
    const digests = [];
    const directory = await writeModel(await temporaryDirectory(), "org/a");
    for (const content of [large, end]) {
      await rewrite(join(directory, "tokenizer.json"), content);
      digests.push(await digestOf(directory));
    }
    await utimes(join(directory, "tokenizer.json"), new Date(), new Date());
    digests.push(await digestOf(directory));
    expect(new Set(digests).size).toBe(3);
  });

  it.each([
    ["no bytes", Buffer.alloc(0)],
    ["half a length", Buffer.alloc(5)],
    ["a length beyond the file", Buffer.alloc(64, 0xff)],
    ["a length of zero", Buffer.alloc(64)],
  ])("survives a shard with %s", async (_, content) => {
    expect(await changedBy((directory) => rewrite(join(directory, "model.safetensors"), content))).toBe(true);
  });
});
