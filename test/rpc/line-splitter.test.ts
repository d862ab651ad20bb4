import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineSplitter } from "../../supervisor/rpc/line-splitter.ts";

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
        expect(feed(new LineSplitter(1_000_000), bytes, cuts)).toEqual(lines);
      }),
    );
  });

  it("treats carriage returns, NUL and U+2028 as part of the line", () => {
    const line = "a\rb\u0000c\u2028d";
    expect(new LineSplitter(100).push(Buffer.from(`${line}\n`)).lines).toEqual([line]);
  });

  it("keeps an unfinished line to itself", () => {
    const splitter = new LineSplitter(100);
    expect(splitter.push(Buffer.from("half")).lines).toEqual([]);
    expect(splitter.push(Buffer.from(" whole\nnext")).lines).toEqual(["half whole"]);
  });

  it("overflows on a line over the cap, finished or not, after the lines before it", () => {
    const finished = new LineSplitter(4).push(Buffer.from("ok\ntoo long\nlater\n"));
    expect(finished).toEqual({ lines: ["ok"], overflow: true });
    const splitter = new LineSplitter(4);
    expect(splitter.push(Buffer.from("1234")).overflow).toBe(false);
    expect(splitter.push(Buffer.from("5")).overflow).toBe(true);
  });
});
