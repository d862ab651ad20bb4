import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineSplitter } from "../../supervisor/rpc/line-splitter.ts";

const ENOUGH = { bytes: 1_000_000, values: 1_000, heapBytes: 1_000_000, depth: 16 };
const upTo = (bytes: number) => new LineSplitter({ ...ENOUGH, bytes });

/** Splits bytes into chunks at the given places and collects what comes out. */
function feed(splitter: LineSplitter, bytes: Uint8Array, cuts: readonly number[]): string[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const lines: string[] = [];
  let start = 0;
  for (const place of [...places, bytes.length]) {
    lines.push(...splitter.push(bytes.subarray(start, place)).lines);
    start = place;
  }
  return lines;
}

describe("splitting a byte stream into lines", () => {
  it("gives the same lines however the bytes are cut, characters of several bytes included", () => {
    const text = fc.array(
      fc.string({ unit: "grapheme" }).map((line) => line.replaceAll("\n", "")),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(text, fc.array(fc.nat()), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        expect(feed(upTo(1_000_000), bytes, cuts)).toEqual(lines);
      }),
    );
  });

  it("treats carriage returns, NUL and U+2028 as part of the line", () => {
    const line = "a\rb\u0000c\u2028d";
    expect(upTo(100).push(Buffer.from(`${line}\n`)).lines).toEqual([line]);
  });

  it("keeps an unfinished line to itself", () => {
    const splitter = upTo(100);
    expect(splitter.push(Buffer.from("half")).lines).toEqual([]);
    expect(splitter.push(Buffer.from(" whole\nnext")).lines).toEqual(["half whole"]);
  });

  it("gives up on a line over the cap, finished or not, after the lines before it", () => {
    const finished = upTo(4).push(Buffer.from("ok\ntoo long\nlater\n"));
    expect(finished).toEqual({ lines: ["ok"], fault: "line-too-long" });
    const splitter = upTo(4);
    expect(splitter.push(Buffer.from("1234")).fault).toBeNull();
    expect(splitter.push(Buffer.from("5")).fault).toBe("line-too-long");
  });

  it("gives up on a long line that would become too much, before its end and without reading it", () => {
    const blanks = " ".repeat(64 * 1024);
    for (const rich of ["[1,".repeat(20), "1,".repeat(1_001), `{"34":0},`.repeat(900)]) {
      const limits = { ...ENOUGH, heapBytes: 300_000 };
      const { lines, fault } = new LineSplitter(limits).push(Buffer.from(`{}\n${blanks}${rich}`));
      expect([lines, fault]).toEqual([["{}"], "line-too-rich"]);
    }
  });

  it("measures each line by itself, however it is cut", () => {
    const line = `${" ".repeat(64 * 1024)}[${"1,".repeat(400)}1]`;
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (cuts) => {
        expect(feed(new LineSplitter(ENOUGH), Buffer.from(`${line}\n`.repeat(4)), cuts)).toHaveLength(4);
      }),
      { numRuns: 20 },
    );
  });
});
