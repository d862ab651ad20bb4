import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { DurableFile, type DurableFileOptions } from "../../supervisor/store/durable-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { FaultyFiles, type FileOperation } from "./faulty-files.ts";

interface Notes {
  schema: 2;
  notes: string[];
}

const format = {
  version: 2,
  schema: z.object({ schema: z.literal(2), notes: z.array(z.string()) }),
  migrations: {
    1: (older: unknown) => ({ schema: 2, notes: [z.object({ note: z.string() }).parse(older).note] }),
  },
  maxBytes: 10_000,
};

const notes = (...texts: string[]): Notes => ({ schema: 2, notes: texts });
const silent = { info: () => undefined, error: () => undefined };

interface Fixture {
  readonly directory: string;
  readonly path: string;
  readonly files: FaultyFiles;
  /** Retries asked for and not forgotten. */
  readonly retries: { callback: () => void; delayMs: number }[];
  open(options?: Partial<DurableFileOptions<Notes>>): DurableFile<Notes>;
  names(): Promise<string[]>;
}

async function fixture(): Promise<Fixture> {
  const directory = await temporaryDirectory();
  const path = join(directory, "notes.json");
  const files = new FaultyFiles();
  const retries: Fixture["retries"] = [];
  const schedule = (callback: () => void, delayMs: number) => {
    const retry = { callback, delayMs };
    retries.push(retry);
    return () => void retries.splice(retries.indexOf(retry), retries.includes(retry) ? 1 : 0);
  };
  const open = (options = {}) =>
    new DurableFile<Notes>({ path, format, files, schedule, now: () => 0, log: silent, ...options });
  return { directory, path, files, retries, open, names: async () => (await readdir(directory)).toSorted() };
}

const stored = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));

describe("writing", () => {
  it("reads back what it wrote, in a file only its owner can read", async () => {
    const { open, path } = await fixture();
    await open().write(notes("one"));
    expect(await open().read()).toEqual(notes("one"));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("keeps the version before as .bak and leaves nothing else", async () => {
    const { open, path, names } = await fixture();
    const file = open();
    for (const text of ["one", "two", "three"]) await file.write(notes(text));
    expect(await stored(path)).toEqual(notes("three"));
    expect(await stored(`${path}.bak`)).toEqual(notes("two"));
    expect(await names()).toEqual(["notes.json", "notes.json.bak"]);
  });

  it("syncs the bytes before the rename and the directory after it", async () => {
    const { open, files, path, directory } = await fixture();
    await open().write(notes("one"));
    const order = files.log
      .map((line) => line.replace(/\.tmp-\S+/, ".tmp"))
      .filter((line) => !line.startsWith("size"));
    expect(order).toEqual([
      `makeDirectory ${directory}`,
      `create ${path}.tmp`,
      `write ${path}.tmp`,
      `sync ${path}.tmp`,
      `rename ${path}`,
      `syncDirectory ${directory}`,
    ]);
  });

  it("makes one write of many calls, and one more of those that come meanwhile", async () => {
    const { open, files, path } = await fixture();
    const file = open();
    const release = files.hold("sync");
    const first = [file.write(notes("1")), file.write(notes("2"))];
    await Promise.resolve();
    const second = Array.from({ length: 50 }, (_, index) => file.write(notes(String(index))));
    release();
    await Promise.all([...first, ...second]);
    expect(files.log.filter((line) => line.startsWith("create"))).toHaveLength(2);
    expect(await stored(path)).toEqual(notes("49"));
  });

  it("settles a write only when its own data is on the device", async () => {
    const { open, files, path } = await fixture();
    const file = open();
    const release = files.hold("sync");
    const first = file.write(notes("first"));
    await Promise.resolve();
    const second = file.write(notes("second"));
    release();
    await first;
    expect(await stored(path)).toEqual(notes("first"));
    await second;
    expect(await stored(path)).toEqual(notes("second"));
  });

  it("makes the directory when it is missing", async () => {
    const { open, directory } = await fixture();
    const path = join(directory, "a", "b", "notes.json");
    await open({ path }).write(notes("one"));
    expect(await stored(path)).toEqual(notes("one"));
  });
});

describe("a write that fails", () => {
  const places: FileOperation[] = [
    "makeDirectory",
    "create",
    "write",
    "sync",
    "duplicate",
    "rename",
    "syncDirectory",
  ];
  const faults = places.flatMap((place) => ["ENOSPC", "EIO", "EROFS"].map((code) => [place, code] as const));

  it.each(faults)("at %s with %s is reported, kept in memory and made good later", async (place, code) => {
    const { open, files, path, names, retries } = await fixture();
    const file = open();
    await file.write(notes("before"));
    files.fail(place, code);
    await file.write(notes("after"));
    expect(file.degraded()).toContain(code);
    expect(await names()).not.toContainEqual(expect.stringContaining(".tmp-"));
    expect([notes("before"), notes("after")]).toContainEqual(await stored(path));
    files.heal();
    retries.shift()?.callback();
    await file.close();
    expect(file.degraded()).toBeNull();
    expect(await stored(path)).toEqual(notes("after"));
  });

  it("is tried again with a new temporary file, less and less often, at most once a minute", async () => {
    const { open, files, retries } = await fixture();
    const file = open();
    files.fail("sync", "EIO");
    await file.write(notes("one"));
    const delays: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const retry = retries.shift();
      delays.push(retry?.delayMs ?? 0);
      retry?.callback();
      await file.write(notes("one"));
    }
    expect(delays[0]).toBe(1_000);
    expect(delays.at(-1)).toBe(60_000);
    expect(delays.toSorted((a, b) => a - b)).toEqual(delays);
    const created = files.log.filter((line) => line.startsWith("create"));
    expect(new Set(created).size).toBe(created.length);
  });

  it("is tried once more at close, and no retry is left behind", async () => {
    const { open, files, path, retries } = await fixture();
    const file = open();
    files.fail("rename", "ENOSPC", 1);
    await file.write(notes("one"));
    expect(retries).toHaveLength(1);
    await file.close();
    expect(retries).toHaveLength(0);
    expect(await stored(path)).toEqual(notes("one"));
  });

  it("does not take the file before with it when even the temporary file cannot be removed", async () => {
    const { open, files, path } = await fixture();
    const file = open();
    await file.write(notes("before"));
    files.fail("write", "EROFS");
    files.fail("remove", "EROFS");
    await file.write(notes("after"));
    expect(file.degraded()).toContain("EROFS");
    expect(await stored(path)).toEqual(notes("before"));
  });
});

describe("reading a broken file", () => {
  const broken: readonly (readonly [string, string | Buffer])[] = [
    ["an empty one", ""],
    ["a truncated one", '{"schema": 2, "notes": ["on'],
    ["NUL bytes", Buffer.alloc(4096)],
    ["the wrong shape", '{"schema": 2, "notes": "one"}'],
    ["another document", '"hello"'],
    ["a schema nobody can migrate", '{"note": "one"}'],
    ["one over the size cap", JSON.stringify(notes("x".repeat(20_000)))],
    ["deep nesting", "[".repeat(9_000)],
  ];

  it.each(broken)("sets %s aside and takes the backup", async (_, content) => {
    const { open, path, names } = await fixture();
    await writeFile(path, content);
    await writeFile(`${path}.bak`, JSON.stringify(notes("kept")));
    const file = open();
    expect(await file.read()).toEqual(notes("kept"));
    expect(file.recovered).toBe("bak");
    await file.write(notes("new"));
    expect(await names()).toEqual(["notes.json", "notes.json.bak", "notes.json.corrupt-19700101T000000000Z"]);
    expect(
      await readFile(join(path.replace("notes.json", ""), "notes.json.corrupt-19700101T000000000Z")),
    ).toEqual(Buffer.from(content));
  });

  it("starts empty, and says so, when the backup is broken too; both stay for a person to look at", async () => {
    const { open, path, names } = await fixture();
    await writeFile(path, "{");
    await writeFile(`${path}.bak`, "[");
    const file = open();
    expect(await file.read()).toBeNull();
    expect(file.recovered).toBe("empty");
    expect(file.degraded()).toBeNull();
    await file.write(notes("new"));
    const kept = (await names()).filter((name) => name.includes("corrupt"));
    expect(kept).toEqual([
      "notes.json.corrupt-19700101T000000000Z",
      "notes.json.corrupt-19700101T000000000Z-bak",
    ]);
  });

  it("still finds the backup at the next start when nothing was written in between", async () => {
    const { open, path } = await fixture();
    await writeFile(path, "{");
    await writeFile(`${path}.bak`, JSON.stringify(notes("kept")));
    await open().read();
    expect(await open().read()).toEqual(notes("kept"));
  });

  it("keeps three broken files, the newest", async () => {
    const { open, path, names } = await fixture();
    for (let start = 1; start <= 5; start += 1) {
      await writeFile(path, "{");
      await open({ now: () => start * 1_000 }).read();
    }
    expect(await names()).toEqual([3, 4, 5].map((start) => `notes.json.corrupt-19700101T00000${start}000Z`));
  });

  it("is not written over when it cannot be set aside", async () => {
    const { open, path, files } = await fixture();
    await writeFile(path, "{");
    files.fail("rename", "EROFS", 1);
    const file = open();
    await file.read();
    await file.write(notes("new"));
    expect(file.degraded()).toContain("could not be set aside");
    expect(await readFile(path, "utf8")).toBe("{");
  });

  it("is neither moved nor written over when it cannot be read at all", async () => {
    const { open, path, files, names } = await fixture();
    await writeFile(path, JSON.stringify(notes("there")));
    files.fail("read", "EIO", 1);
    const file = open();
    expect(await file.read()).toBeNull();
    expect(file.recovered).toBe("empty");
    await file.write(notes("new"));
    expect(file.degraded()).toContain("EIO");
    expect(await names()).toEqual(["notes.json"]);
  });

  it("that is a directory is survived in memory", async () => {
    const { open, path } = await fixture();
    await mkdir(path);
    const file = open();
    expect(await file.read()).toBeNull();
    await file.write(notes("new"));
    expect(file.degraded()).not.toBeNull();
  });
});

describe("versions", () => {
  it("a missing file is an empty start, not a recovery", async () => {
    const { open } = await fixture();
    const file = open();
    expect([await file.read(), file.recovered, file.degraded()]).toEqual([null, null, null]);
  });

  it("an older one is migrated and kept beside the new one", async () => {
    const { open, path } = await fixture();
    await writeFile(path, '{"schema": 1, "note": "old"}');
    const file = open();
    expect(await file.read()).toEqual(notes("old"));
    expect(file.recovered).toBeNull();
    await file.write(notes("new"));
    await file.write(notes("newer"));
    expect(await stored(`${path}.schema-1`)).toEqual({ schema: 1, note: "old" });
  });

  it("an older one whose backup fails is used and left alone", async () => {
    const { open, path, files } = await fixture();
    await writeFile(path, '{"schema": 1, "note": "old"}');
    files.fail("duplicate", "ENOSPC");
    const file = open();
    expect(await file.read()).toEqual(notes("old"));
    await file.write(notes("new"));
    expect(file.degraded()).toContain("backup failed");
    expect(await stored(path)).toEqual({ schema: 1, note: "old" });
  });

  it.each([
    ['{"schema": 3, "notes": ["later"], "more": 1}', notes("later")],
    ['{"schema": 3, "pages": []}', null],
  ])("a newer one is read as far as understood and never written: %s", async (content, understood) => {
    const { open, path } = await fixture();
    await writeFile(path, content);
    const file = open();
    expect(await file.read()).toEqual(understood);
    expect(file.recovered).toBe("newer");
    await file.write(notes("new"));
    await file.close();
    expect(file.degraded()).toContain("schema 3");
    expect(await readFile(path, "utf8")).toBe(content);
  });

  it("unknown fields are no reason to give up a file", async () => {
    const { open, path } = await fixture();
    await writeFile(path, '{"schema": 2, "notes": ["one"], "colour": "red"}');
    expect(await open().read()).toEqual(notes("one"));
  });
});

describe("what a killed writer leaves", () => {
  it("is removed at the next start; the file of a living process is not", async () => {
    const { open, path, names } = await fixture();
    await writeFile(`${path}.tmp-999999999-aa`, "{");
    await writeFile(`${path}.tmp-${process.pid}-bb`, "{");
    await writeFile(`${path}.tmp-1-cc`, "{");
    await writeFile(`${path}.tmp-nonsense`, "{");
    await open().read();
    expect(await names()).toEqual(["notes.json.tmp-1-cc"]);
  });
});
