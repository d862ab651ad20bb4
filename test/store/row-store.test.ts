import { execFileSync } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { decodeDocument } from "../../supervisor/store/document-format.ts";
import { rowList } from "../../supervisor/store/row-list.ts";
import { openRows, type RowFormat } from "../../supervisor/store/row-store.ts";
import { storeFixture } from "./store-fixture.ts";

interface Note {
  readonly text: string;
  readonly keep: boolean;
}

const format: RowFormat<Note> = {
  row: z.object({ text: z.string(), keep: z.boolean() }),
  version: 2,
  migrations: {
    1: (older) => {
      const { rows } = z.object({ rows: z.array(z.string()) }).parse(older);
      return { schema: 2, rows: rows.map((text) => ({ text, keep: false })) };
    },
  },
  mostRows: 3,
  expendable: (note) => !note.keep,
  maxBytes: 10_000,
};

const DOCUMENT = { version: 1, schema: z.unknown(), migrations: {}, maxBytes: 1 };

const fixture = (over: Partial<RowFormat<Note>> = {}) =>
  storeFixture((options) => openRows(options, { ...format, ...over }));
const note = (text: string, keep = false): Note => ({ text, keep });
const adding = (one: Note) => (rows: readonly Note[]) => [...rows, one];

describe("a store of rows", () => {
  it("has what was put into it after it is opened again", async () => {
    const { open, stored } = await fixture();
    const store = await open();
    expect(store.rows()).toEqual([]);
    await store.change(adding(note("a")));
    expect(await stored()).toEqual({ schema: 2, rows: [note("a")] });
    expect((await open()).rows()).toEqual([note("a")]);
  });

  it("shows a change at once and resolves when it is on the device", async () => {
    const { open, files } = await fixture();
    const store = await open();
    const release = files.hold("sync");
    let isDurable = false;
    const change = store.change(adding(note("a"))).then(() => {
      isDurable = true;
    });
    expect(store.rows()).toEqual([note("a")]);
    while (!files.log.some((line) => line.startsWith("sync"))) await new Promise(setImmediate);
    expect(isDurable).toBe(false);
    release();
    await change;
    expect(isDurable).toBe(true);
  });

  it("drops the oldest expendable rows first, and others only when there is no such row", async () => {
    const { open } = await fixture();
    const store = await open();
    for (const one of [note("a", true), note("b"), note("c"), note("d")]) void store.change(adding(one));
    expect(store.rows().map(({ text }) => text)).toEqual(["a", "c", "d"]);
    await store.change(() => ["1", "2", "3", "4", "5"].map((text) => note(text, true)));
    expect(store.rows().map(({ text }) => text)).toEqual(["3", "4", "5"]);
  });

  it("works in memory while the disk fails, says so, and writes everything when it heals", async () => {
    const { open, files } = await fixture();
    const store = await open();
    files.fail("write", "ENOSPC");
    await store.change(adding(note("a")));
    expect(store.degraded()).toContain("ENOSPC");
    expect(store.rows()).toEqual([note("a")]);
    files.heal();
    await store.close();
    expect(store.degraded()).toBeNull();
    expect((await open()).rows()).toEqual([note("a")]);
  });
});

describe("a file that is not as it should be", () => {
  it.each([
    ["empty", ""],
    ["cut", '{"schema": 2, "rows": [{"te'],
    ["of another shape", '{"schema": 2, "rows": [{"text": 7}]}'],
    ["without rows", '{"schema": 2}'],
    ["larger than allowed", JSON.stringify({ schema: 2, rows: [note("x".repeat(20_000))] })],
  ])("because it is %s is set aside and nothing is loaded", async (_name, content) => {
    const { reading, names } = await fixture();
    const store = await reading(content);
    expect([store.rows(), store.recovered]).toEqual([[], "empty"]);
    await store.change(adding(note("new")));
    expect(await names()).toEqual(["store.json", expect.stringMatching(/^store\.json\.corrupt-/)]);
  });

  it("is replaced by the version before it", async () => {
    const { open, path } = await fixture();
    const store = await open();
    await store.change(adding(note("a")));
    await store.change(adding(note("b")));
    await writeFile(path, "{");
    const again = await open();
    expect([again.rows(), again.recovered]).toEqual([[note("a")], "bak"]);
  });

  it("of an older form is migrated", async () => {
    const { reading } = await fixture();
    const store = await reading('{"schema": 1, "rows": ["a"]}');
    expect([store.rows(), store.recovered]).toEqual([[note("a")], null]);
  });

  it("of a later release is read as far as understood and never written", async () => {
    const { reading, path } = await fixture();
    const content = JSON.stringify({ schema: 3, rows: [{ ...note("a"), colour: "red" }] });
    const store = await reading(content);
    expect([store.rows(), store.recovered]).toEqual([[note("a")], "newer"]);
    await store.change(adding(note("b")));
    expect(await readFile(path, "utf8")).toBe(content);
    expect(store.degraded()).toContain("schema 3");
  });

  it("whose file is a pipe does not wait for it, lives in memory and says why", async () => {
    const { open, path } = await fixture();
    execFileSync("mkfifo", [path]);
    const store = await open();
    await store.change(adding(note("a")));
    expect(store.rows()).toEqual([note("a")]);
    expect(store.degraded()).toContain("is a named pipe, expected a regular file");
    expect((await stat(path)).isFIFO()).toBe(true);
  });

  it.each([
    ["more values than it could hold", `[${"0,".repeat(2_000_000)}0]`, "2000000 values"],
    ["what would become too much", `[${'{"34":{},"a":{"1":{}}},'.repeat(400_000)}0]`, "bytes in memory"],
  ])("whose file has %s is set aside unread", async (_, content, words) => {
    const { reading, names } = await fixture({ maxBytes: 32 * 1024 * 1024 });
    const store = await reading(content);
    expect(store.recovered).toBe("empty");
    expect(await names()).toEqual([expect.stringContaining("store.json.corrupt-")]);
    const decoded = decodeDocument(Buffer.from(content), DOCUMENT);
    expect(decoded).toEqual({ kind: "bad", problem: expect.stringContaining(words) });
  });

  it("gives up at the first row that is none", () => {
    let checked = 0;
    const counting = z.unknown().refine(() => {
      checked += 1;
      return checked < 3;
    });
    const outcome = rowList(counting).safeParse(Array.from({ length: 100 }, () => 0));
    expect(outcome.error?.issues).toMatchObject([{ path: [2] }]);
    expect(checked).toBe(3);
  });
});
