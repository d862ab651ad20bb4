import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createCatalogue } from "../../supervisor/models/catalogue.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { writeModel } from "./model-directory.ts";
import { recordingLog } from "./recording-log.ts";

async function scanned(...roots: string[]) {
  const log = recordingLog();
  const catalogue = createCatalogue({ roots, log });
  await catalogue.refresh();
  return { ids: catalogue.list().map(({ id }) => id), log, catalogue };
}

describe("a link to a directory", () => {
  it("is followed inside the roots and not outside them", async () => {
    const [root, other, outside] = [
      await temporaryDirectory(),
      await temporaryDirectory(),
      await temporaryDirectory(),
    ];
    await writeModel(root, "org/a");
    await writeModel(other, "org/b");
    await writeModel(outside, "secret");
    await symlink(join(root, "org/a"), join(root, "inside"));
    await symlink(join(other, "org"), join(root, "across"));
    await symlink(join(outside, "secret"), join(root, "org/leaving"));
    await symlink(outside, join(root, "out"));
    await symlink(join(root, "nowhere"), join(root, "dangling"));
    await symlink(root, join(root, "loop"));
    const { ids, log } = await scanned(root, other);
    expect(ids).toEqual(["across/b", "inside", "org/a", "org/b"]);
    expect(log.lines.map(({ fields }) => fields.path).toSorted()).toEqual(
      [join(root, "org/leaving"), join(root, "out")].toSorted(),
    );
  });

  it("to a neighbour whose name only begins like a root's is outside", async () => {
    const parent = await temporaryDirectory();
    await mkdir(join(parent, "models"));
    await writeModel(parent, "models-private/a");
    await symlink(join(parent, "models-private/a"), join(parent, "models/a"));
    expect((await scanned(join(parent, "models"))).ids).toEqual([]);
  });

  it("that is itself a root is as good as the place it leads to", async () => {
    const [real, parent] = [await temporaryDirectory(), await temporaryDirectory()];
    await writeModel(real, "org/a");
    await symlink(real, join(parent, "root"));
    expect((await scanned(join(parent, "root"))).ids).toEqual(["org/a"]);
  });
});

describe("a link to a file", () => {
  it.each(["config.json", "model.safetensors", "tokenizer.json"])(
    "%s that leads out of the roots refuses its model, with a line in the log",
    async (name) => {
      const [root, outside] = [await temporaryDirectory(), await temporaryDirectory()];
      const model = await writeModel(root, "org/a");
      await writeModel(root, "org/sound");
      await rename(join(model, name), join(outside, name));
      await symlink(join(outside, name), join(model, name));
      const { ids, log } = await scanned(root);
      expect(ids).toEqual(["org/sound"]);
      expect(log.lines).toEqual([
        {
          level: "warn",
          fields: { path: join(model, name), reason: expect.stringContaining("model_roots") },
          message: "not a model that can be used",
        },
      ]);
      expect((await scanned(root, outside)).ids).toEqual(["org/a", "org/sound"]);
    },
  );

  it("is followed within the roots; one that leads nowhere is not there", async () => {
    const root = await temporaryDirectory();
    const [a, b] = [await writeModel(root, "org/a"), await writeModel(root, "org/b")];
    await rm(join(b, "config.json"));
    await symlink(join(a, "config.json"), join(b, "config.json"));
    await symlink(join(b, "missing"), join(b, "vocab.txt"));
    const { catalogue } = await scanned(root);
    expect(catalogue.resolve("org/b")).toMatchObject({ modelType: "llama" });
  });

  it("is told of once, and again after it was mended in between", async () => {
    const [root, outside] = [await temporaryDirectory(), await temporaryDirectory()];
    const model = await writeModel(root, "org/a");
    const link = join(model, "extra.json");
    await writeFile(join(outside, "extra.json"), "{}");
    await symlink(join(outside, "extra.json"), link);
    const { log, catalogue } = await scanned(root);
    await catalogue.refresh();
    expect(log.lines).toHaveLength(1);
    await rm(link);
    await catalogue.refresh();
    await symlink(join(outside, "extra.json"), link);
    await catalogue.refresh();
    expect(log.lines).toHaveLength(2);
  });
});

describe("a name", () => {
  it.each(["line\nbreak", "escape\u001b[2J", "turned\u202etxt", "tab\t"])(
    "with control characters (%j) is no id",
    async (name) => {
      const root = await temporaryDirectory();
      await writeModel(root, join("org", name));
      const { ids, log } = await scanned(root);
      expect(ids).toEqual([]);
      expect(log.lines).toMatchObject([{ level: "warn", fields: { path: join(root, "org", name) } }]);
    },
  );

  it("finds nothing in another case, another width or with look-alike letters", async () => {
    const root = await temporaryDirectory();
    await writeModel(root, "org/model");
    const { catalogue } = await scanned(root);
    for (const name of [
      "ORG/MODEL",
      "org/Model",
      "ｏｒｇ/model",
      "оrg/model",
      "org∕model",
      "org/model\u200b",
    ])
      expect(catalogue.resolve(name), name).toBeUndefined();
  });

  it("spelled in two ways on disk is one id: the first, and the other is told of", async () => {
    const root = await temporaryDirectory();
    const [composed, decomposed] = ["org/caf\u00e9", "org/cafe\u0301"];
    await writeModel(root, composed);
    await writeModel(root, decomposed);
    const { ids, log } = await scanned(root);
    expect(ids).toEqual([composed]);
    // A file system that knows only one spelling has only one directory.
    expect(log.lines.length).toBeLessThanOrEqual(1);
  });
});

it("a second place with the same id is told of as shadowed", async () => {
  const [first, second] = [await temporaryDirectory(), await temporaryDirectory()];
  const used = await writeModel(first, "org/a");
  const path = await writeModel(second, "org/a");
  expect((await scanned(first, second)).log.lines).toEqual([
    {
      level: "info",
      fields: { model: "org/a", path, used },
      message: "model shadowed by another of the same id",
    },
  ]);
});

it("a pipe instead of a config.json is not opened", async () => {
  const root = await temporaryDirectory();
  const model = await writeModel(root, "org/a");
  await rm(join(model, "config.json"));
  const { execFileSync } = await import("node:child_process");
  execFileSync("mkfifo", [join(model, "config.json")]);
  expect((await scanned(root)).catalogue.resolve("org/a")).toMatchObject({ modelType: null });
});
