import { mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createCatalogue } from "../../supervisor/models/catalogue.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { downloadRevision, revision, writeRef } from "./huggingface-cache.ts";
import { writeModel } from "./model-directory.ts";
import { recordingLog } from "./recording-log.ts";

const [A, B, C] = [revision("a"), revision("b"), revision("c")];

async function catalogueOf(cache: string, ...folders: string[]) {
  const log = recordingLog();
  const catalogue = createCatalogue({ roots: [...folders, { kind: "huggingface-cache", path: cache }], log });
  await catalogue.refresh();
  return { catalogue, log, ids: () => catalogue.list().map(({ id }) => id) };
}

it("the revision of main has the repository's id, others the name of their ref or their beginning", async () => {
  const cache = await temporaryDirectory();
  const main = await downloadRevision(cache, "org/name", A);
  const tagged = await downloadRevision(cache, "org/name", B);
  await downloadRevision(cache, "org/name", C);
  await writeRef(cache, "org/name", "main", `${A}\n`);
  await writeRef(cache, "org/name", "refs/pr/1", B);
  await writeRef(cache, "org/name", "gone", revision("d"));
  const { catalogue, ids } = await catalogueOf(cache);
  expect(ids()).toEqual(["org/name", "org/name@cccccccc", "org/name@refs/pr/1"]);
  expect(catalogue.resolve("org/name")).toMatchObject({ path: main, modelType: "llama" });
  expect(catalogue.resolve("org/name@refs/pr/1")?.path).toBe(tagged);
});

it("a revision that is alone has the repository's id without any ref", async () => {
  const cache = await temporaryDirectory();
  await downloadRevision(cache, "org/pinned", A);
  await downloadRevision(cache, "gpt2", B);
  expect((await catalogueOf(cache)).ids()).toEqual(["gpt2", "org/pinned"]);
});

it("nobody is main when main is not here and there are several", async () => {
  const cache = await temporaryDirectory();
  await downloadRevision(cache, "org/name", A);
  await downloadRevision(cache, "org/name", B);
  await writeRef(cache, "org/name", "main", C);
  expect((await catalogueOf(cache)).ids()).toEqual(["org/name@aaaaaaaa", "org/name@bbbbbbbb"]);
});

it("what is not a model's revision is left alone", async () => {
  const cache = await temporaryDirectory();
  await downloadRevision(cache, "org/gguf", A, { "model.gguf": "GGUF", "config.json": "{}" });
  await downloadRevision(cache, "org/readme", A, { "README.md": "#" });
  await mkdir(join(cache, "models--org--empty/snapshots"), { recursive: true });
  await writeModel(cache, "models--org--odd/snapshots/main");
  await writeModel(cache, `datasets--org--set/snapshots/${A}`);
  await writeModel(cache, `models--/snapshots/${A}`);
  await writeModel(cache, `models--a--b--c/snapshots/${A}`);
  await writeModel(cache, "version");
  expect((await catalogueOf(cache)).ids()).toEqual([]);
  expect((await catalogueOf(join(cache, "missing"))).ids()).toEqual([]);
});

it("blobs are inside; a snapshot, a file or a ref that leaves the cache is not followed", async () => {
  const [cache, outside] = [await temporaryDirectory(), await temporaryDirectory()];
  const good = await downloadRevision(cache, "org/good", A);
  expect((await catalogueOf(cache)).log.lines).toEqual([]);
  const bad = await downloadRevision(cache, "org/bad", A);
  await writeFile(join(outside, "weights"), "");
  await rm(join(bad, "model.safetensors"));
  await symlink(join(outside, "weights"), join(bad, "model.safetensors"));
  await rename(good, join(outside, "snapshot"));
  await symlink(join(outside, "snapshot"), good);
  await downloadRevision(cache, "org/ref", A);
  await downloadRevision(cache, "org/ref", B);
  await writeFile(join(outside, "main"), A);
  await mkdir(join(cache, "models--org--ref/refs"), { recursive: true });
  await symlink(join(outside, "main"), join(cache, "models--org--ref/refs/main"));
  const { ids, log } = await catalogueOf(cache);
  expect(ids()).toEqual(["org/ref@aaaaaaaa", "org/ref@bbbbbbbb"]);
  expect(log.lines).toHaveLength(2);
});

it("moving main to another revision is a change of the model", async () => {
  const cache = await temporaryDirectory();
  await downloadRevision(cache, "org/name", A);
  await downloadRevision(cache, "org/name", B, { "config.json": '{"model_type": "qwen3"}' });
  await writeRef(cache, "org/name", "main", A);
  const { catalogue } = await catalogueOf(cache);
  const before = catalogue.resolve("org/name");
  await writeRef(cache, "org/name", "main", B);
  await catalogue.refresh();
  expect(catalogue.resolve("org/name")).toMatchObject({ modelType: "qwen3" });
  expect(catalogue.resolve("org/name")?.digest).not.toBe(before?.digest);
});

it("the digest follows the blob: downloaded anew at another time it is the same model", async () => {
  const digests = [];
  for (const time of ["2020-01-01", "2026-11-11"]) {
    const cache = await temporaryDirectory();
    const snapshot = await downloadRevision(cache, "org/name", A);
    await utimes(join(snapshot, "model.safetensors"), new Date(time), new Date(time));
    digests.push((await catalogueOf(cache)).catalogue.resolve("org/name")?.digest);
  }
  expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(digests[1]).toBe(digests[0]);
});

it("a folder of our own comes before the cache, which is told of", async () => {
  const [cache, own] = [await temporaryDirectory(), await temporaryDirectory()];
  await downloadRevision(cache, "org/name", A);
  const path = await writeModel(own, "org/name");
  const { catalogue, log } = await catalogueOf(cache, own);
  expect(catalogue.resolve("org/name")?.path).toBe(path);
  expect(log.lines).toMatchObject([{ level: "info", fields: { model: "org/name", used: path } }]);
});
