import { mkdir, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCatalogue } from "../../supervisor/models/catalogue.ts";
import { diskDirectories } from "../../supervisor/models/inside-roots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { writeModel } from "./model-directory.ts";
import { recordingLog } from "./recording-log.ts";

const ids = (catalogue: { list(): { id: string }[] }) => catalogue.list().map(({ id }) => id);

async function scanned(
  roots: readonly string[],
  others: Omit<Parameters<typeof createCatalogue>[0], "roots"> = {},
) {
  const catalogue = createCatalogue({ roots, ...others });
  await catalogue.refresh();
  return catalogue;
}

describe("what the catalogue finds", () => {
  it("models one and two levels below a root, and embedded ones, sorted", async () => {
    const root = await temporaryDirectory();
    const demo = await writeModel(await temporaryDirectory(), "model");
    await writeModel(root, "org/b");
    await writeModel(root, "org/a");
    await writeModel(root, "plain");
    await writeModel(root, "org/deep/er");
    await mkdir(join(root, "org/empty"));
    await writeModel(root, ".hidden/model");
    const catalogue = await scanned([root, join(root, "missing")], {
      embedded: [{ id: "lmx-demo", path: demo }],
    });
    expect(ids(catalogue)).toEqual(["lmx-demo", "org/a", "org/b", "plain"]);
    expect(catalogue.resolve("org/a")?.path).toBe(join(root, "org/a"));
  });

  it("the facts of a model without loading it", async () => {
    const root = await temporaryDirectory();
    await writeModel(root, "org/a", { model_type: "qwen3", max_position_embeddings: 4096 });
    await writeModel(root, "org/b", { model_type: "mllama", text_config: { max_position_embeddings: 8192 } });
    const catalogue = await scanned([root]);
    const names = ["config.json", "tokenizer.json", "model.safetensors"];
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(root, "org/a", name))).size));
    const sizeBytes = sizes.reduce((sum, size) => sum + size);
    expect(catalogue.resolve("org/a")).toMatchObject({ modelType: "qwen3", contextLength: 4096, sizeBytes });
    expect(catalogue.resolve("org/a")?.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(catalogue.resolve("org/b")).toMatchObject({ modelType: "mllama", contextLength: 8192 });
  });

  it.each(["", "{", "[]", '{"model_type": 7, "max_position_embeddings": "many"}'])(
    "a model whose config.json is %j, as one of unknown kind",
    async (content) => {
      const root = await temporaryDirectory();
      await writeFile(join(await writeModel(root, "org/a"), "config.json"), content);
      expect((await scanned([root])).resolve("org/a")).toMatchObject({
        modelType: null,
        contextLength: null,
      });
    },
  );

  it("weights without a config too: an incomplete model is to be refused, not hidden", async () => {
    const root = await temporaryDirectory();
    await rm(join(await writeModel(root, "org/a"), "config.json"));
    expect(ids(await scanned([root]))).toEqual(["org/a"]);
  });

  it("no folder of another program's weights, with a config or without", async () => {
    const root = await temporaryDirectory();
    for (const name of ["org/gguf", "org/bare", "org/both"]) {
      const path = await writeModel(root, name);
      await writeFile(join(path, "model-Q4_K_M.gguf"), "GGUF");
      if (name !== "org/both") await rm(join(path, "model.safetensors"));
      if (name === "org/bare") await rm(join(path, "config.json"));
    }
    expect(ids(await scanned([root]))).toEqual(["org/both"]);
  });

  it("the first of two models with one id; the embedded one before any other", async () => {
    const [first, second] = [await temporaryDirectory(), await temporaryDirectory()];
    for (const root of [first, second]) await writeModel(root, "org/a");
    const demo = await writeModel(second, "lmx-demo");
    const embedded = await writeModel(await temporaryDirectory(), "embedded");
    const catalogue = await scanned([first, second], { embedded: [{ id: "lmx-demo", path: embedded }] });
    expect(catalogue.resolve("org/a")?.path).toBe(join(first, "org/a"));
    expect(catalogue.resolve("lmx-demo")?.path).not.toBe(demo);
  });
});

describe("names", () => {
  it("aliases lead to models, and never hide one", async () => {
    const root = await temporaryDirectory();
    await writeModel(root, "org/a");
    await writeModel(root, "org/b");
    const catalogue = await scanned([root], {
      aliases: { small: "org/a", "org/b": "org/a", lost: "org/none", twice: "small" },
    });
    expect(catalogue.resolve("small")?.id).toBe("org/a");
    expect(catalogue.resolve("org/b")?.id).toBe("org/b");
    expect(catalogue.resolve("lost")).toBeUndefined();
    expect(catalogue.resolve("twice")).toBeUndefined();
  });

  it("near matches are named: typing errors, parts, other case, aliases", async () => {
    const root = await temporaryDirectory();
    for (const name of ["mlx-community/Llama-3.2-3B-Instruct-4bit", "mlx-community/Qwen3-8B", "lmx-demo"])
      await writeModel(root, name);
    const catalogue = await scanned([root], { aliases: { small: "mlx-community/Qwen3-8B" } });
    expect(catalogue.nearest("lmx-dmeo")).toEqual(["lmx-demo"]);
    expect(catalogue.nearest("llama-3.2")).toEqual(["mlx-community/Llama-3.2-3B-Instruct-4bit"]);
    expect(catalogue.nearest("qwen3-8b")).toEqual(["mlx-community/Qwen3-8B"]);
    expect(catalogue.nearest("smal")).toEqual(["small"]);
    expect(catalogue.nearest("gpt-5")).toEqual([]);
  });

  it("a client's name is looked up, never opened: nothing outside the list resolves", async () => {
    const root = await temporaryDirectory();
    await writeModel(root, "org/a");
    await writeModel(root, "sibling/outside");
    const catalogue = await scanned([join(root, "org")]);
    const hostile = [
      "../org/a",
      "./a",
      "a/",
      "/a",
      join(root, "org/a"),
      "a\0",
      "A",
      "..",
      ".",
      "",
      "__proto__",
      "constructor",
      "a/../a",
    ];
    for (const name of hostile) expect(catalogue.resolve(name), name).toBeUndefined();
    expect(catalogue.resolve("a")?.id).toBe("a");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        expect(name === "a" || catalogue.resolve(name) === undefined).toBe(true);
        catalogue.nearest(name);
      }),
    );
    expect(catalogue.nearest("a".repeat(1_000_000))).toEqual([]);
  });

  it("an accent is the same however it is written", async () => {
    const root = await temporaryDirectory();
    await writeModel(root, "org/caf\u0065\u0301");
    expect((await scanned([root])).resolve("org/caf\u00e9")).toBeDefined();
  });
});

describe("refresh", () => {
  it("sees new, changed and removed models and keeps the others as they were", async () => {
    const root = await temporaryDirectory();
    const [a, b] = [await writeModel(root, "org/a"), await writeModel(root, "org/b")];
    const catalogue = await scanned([root]);
    const before = catalogue.list();
    await writeModel(root, "org/c");
    await writeFile(join(b, "config.json"), JSON.stringify({ model_type: "gemma3" }));
    await catalogue.refresh();
    expect(ids(catalogue)).toEqual(["org/a", "org/b", "org/c"]);
    expect(catalogue.resolve("org/a")).toBe(before[0]);
    expect(catalogue.resolve("org/b")?.digest).not.toBe(before[1]?.digest);
    await rm(a, { recursive: true });
    await catalogue.refresh();
    expect(ids(catalogue)).toEqual(["org/b", "org/c"]);
  });

  it("asked for during a scan, is a scan after it", async () => {
    const root = await temporaryDirectory();
    await writeModel(root, "org/a");
    const catalogue = createCatalogue({ roots: [root] });
    const first = catalogue.refresh();
    // The first scan has begun by now.
    await Promise.resolve();
    await writeModel(root, "org/late");
    const second = catalogue.refresh();
    expect(second).not.toBe(first);
    expect(catalogue.refresh()).toBe(second);
    await second;
    expect(ids(catalogue)).toContain("org/late");
  });

  it("for a listing looks again only after a while, and everybody shares the look", async () => {
    const root = await temporaryDirectory();
    let time = 0;
    const catalogue = createCatalogue({ roots: [root], now: () => time });
    await Promise.all([catalogue.freshen(2_000), catalogue.freshen(2_000)]);
    await writeModel(root, "org/a");
    time = 2_000;
    await catalogue.freshen(2_000);
    expect(ids(catalogue)).toEqual([]);
    time = 2_001;
    await Promise.all([catalogue.freshen(2_000), catalogue.freshen(2_000)]);
    expect(ids(catalogue)).toEqual(["org/a"]);
  });

  it("writes nothing", async () => {
    const root = await temporaryDirectory();
    await writeModel(root, "org/a");
    await scanned([root]);
    expect(await readdir(root, { recursive: true })).toHaveLength(5);
  });
});

describe("a root that hangs", () => {
  const PATIENCE_MS = 3_000;

  /** Two roots; what is asked of the first one's `what` has no answer until `mend`. */
  async function withFirstHanging(what: "readdir" | "realpath") {
    const [first, second] = [await temporaryDirectory(), await temporaryDirectory()];
    await writeModel(first, "org/both");
    await writeModel(first, "org/first");
    await writeModel(second, "org/both");
    const mended = Promise.withResolvers<void>();
    let isMended = false;
    const asked: string[] = [];
    const hanging = async <T>(path: string, answer: (path: string) => Promise<T>): Promise<T> => {
      if (path === first) {
        asked.push(path);
        if (!isMended) await mended.promise;
      }
      return await answer(path);
    };
    const log = recordingLog();
    const catalogue = createCatalogue({
      roots: [first, second],
      log,
      patienceMs: PATIENCE_MS,
      directories: {
        ...diskDirectories,
        [what]: (path: string) => hanging<never>(path, diskDirectories[what] as never),
      },
    });
    const mend = () => {
      isMended = true;
      mended.resolve();
    };
    return { catalogue, first, second, asked, log, mend };
  }

  it.each(["readdir", "realpath"] as const)(
    "at its %s hides no other root, is asked and waited for once, and its models come when it answers",
    async (what) => {
      const { catalogue, first, second, asked, log, mend } = await withFirstHanging(what);
      await catalogue.refresh();
      expect([ids(catalogue), catalogue.isComplete()]).toEqual([["org/both"], false]);
      expect(catalogue.resolve("org/both")?.path).toBe(join(second, "org/both"));
      await writeModel(second, "org/new");
      const began = performance.now();
      await catalogue.refresh();
      // It was waited for once: from now on it holds up nobody.
      expect(performance.now() - began).toBeLessThan(PATIENCE_MS);
      await catalogue.refresh();
      expect(ids(catalogue)).toEqual(["org/both", "org/new"]);
      expect(asked).toHaveLength(1);
      expect(log.lines).toMatchObject([{ level: "warn", fields: { path: first } }]);
      const late = new Promise<void>((resolve) => catalogue.onLateScan(resolve));
      mend();
      await late;
      expect([ids(catalogue), catalogue.isComplete()]).toEqual([["org/both", "org/first", "org/new"], true]);
      expect(catalogue.resolve("org/both")?.path).toBe(join(first, "org/both"));
    },
  );

  it("that only takes a while is known by the time links into it are followed", async () => {
    const [near, far] = [await temporaryDirectory(), await temporaryDirectory()];
    const target = await writeModel(far, "org/model");
    const link = join(near, "by-another-name");
    await symlink(target, link);
    // A fake of a disk that spins up: long enough for the other root to begin without it.
    const realpath = async (path: string) => {
      if (path === link || path.startsWith(far)) await delay(600);
      return await diskDirectories.realpath(path);
    };
    const catalogue = await scanned([near, far], { directories: { ...diskDirectories, realpath } });
    expect(ids(catalogue)).toEqual(["by-another-name", "org/model"]);
  });

  it("later keeps its models, and is waited for again once it has answered", async () => {
    const root = await temporaryDirectory();
    await writeModel(root, "org/a");
    let answer: Promise<void> = Promise.resolve();
    const readdir = async (path: string) => {
      if (path === root) await answer;
      return await diskDirectories.readdir(path);
    };
    const catalogue = createCatalogue({
      roots: [root],
      patienceMs: 200,
      directories: { ...diskDirectories, readdir },
    });
    await catalogue.refresh();
    const mended = Promise.withResolvers<void>();
    answer = mended.promise;
    await catalogue.refresh();
    expect(ids(catalogue)).toEqual(["org/a"]);
    answer = Promise.resolve();
    const late = new Promise<void>((resolve) => catalogue.onLateScan(resolve));
    mended.resolve();
    await late;
    await writeModel(root, "org/b");
    await catalogue.refresh();
    expect(ids(catalogue)).toEqual(["org/a", "org/b"]);
  });
});
