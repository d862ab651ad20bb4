import { promises, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createCatalogue } from "../../supervisor/models/catalogue.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { downloadRevision, revision } from "./huggingface-cache.ts";
import { writeModel } from "./model-directory.ts";

const FILES_PER_MODEL = 3;

/** Counts calls of the asynchronous file system by name, while the test runs. */
function countedCalls(): Record<string, number> {
  const counts: Record<string, number> = {};
  const originals = { ...promises };
  for (const name of ["open", "readFile", "readdir", "stat", "lstat", "realpath"] as const) {
    const original = promises[name] as (...args: unknown[]) => unknown;
    Object.assign(promises, {
      [name]: (...args: unknown[]) => {
        counts[name] = (counts[name] ?? 0) + 1;
        return original(...args);
      },
    });
  }
  syncBuiltinESMExports();
  onTestFinished(() => {
    Object.assign(promises, originals);
    syncBuiltinESMExports();
  });
  return counts;
}

it("200 models: a listing asks the disk nothing, and looking again opens only what changed", async () => {
  const [root, cache] = [await temporaryDirectory(), await temporaryDirectory()];
  const names = Array.from({ length: 200 }, (_, index) => `org-${index % 7}/model-${index}`);
  const paths = await Promise.all(names.map((name) => writeModel(root, name)));
  await downloadRevision(cache, "org/cached", revision("a"));
  const catalogue = createCatalogue({ roots: [root, { kind: "huggingface-cache", path: cache }] });
  const first = countedCalls();
  await catalogue.refresh();
  expect(catalogue.list()).toHaveLength(201);
  const opensAtFirst = first.open ?? 0;
  expect(opensAtFirst).toBeGreaterThan(200);

  const before = { ...first };
  const more = (name: string) => (first[name] ?? 0) - (before[name] ?? 0);
  for (const name of names) catalogue.resolve(name);
  catalogue.list();
  await catalogue.freshen(60_000);
  for (const name of Object.keys(first)) expect(more(name), name).toBe(0);

  await catalogue.refresh();
  expect(more("open") + more("readFile")).toBe(0);
  expect(more("readdir")).toBeLessThanOrEqual(200 + 7 + 1 + 4);
  expect(more("stat")).toBe(201 * FILES_PER_MODEL);
  // Only links need their path resolved: the files of the cached model and the roots themselves.
  expect(more("realpath")).toBeLessThanOrEqual(FILES_PER_MODEL + 2);

  writeFileSync(join(paths[0] ?? "", "config.json"), '{"model_type": "qwen3"}');
  await catalogue.refresh();
  expect(catalogue.resolve(names[0] ?? "")?.modelType).toBe("qwen3");
  expect(more("open") + more("readFile")).toBeLessThanOrEqual(FILES_PER_MODEL + 1);
});
