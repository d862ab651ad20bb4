import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonError } from "../../../supervisor/models/snapshot/json-error.ts";
import { type JsonFlavour, JsonScanner } from "../../../supervisor/models/snapshot/json-scanner.ts";
import { JsonTree } from "../../../supervisor/models/snapshot/json-tree.ts";

/** Reads a text fed in pieces of these sizes, over and over; undefined: it was refused. */
function scan(text: string | Buffer, sizes: readonly number[] = [1024], flavour: JsonFlavour = "python") {
  const bytes = Buffer.from(text);
  const tree = new JsonTree();
  const scanner = new JsonScanner(tree, flavour);
  try {
    for (let at = 0, piece = 0; at < bytes.length; piece += 1) {
      const size = sizes[piece % sizes.length] ?? 1;
      scanner.feed(bytes.subarray(at, at + size));
      at += size;
    }
    scanner.finish();
    return tree.value;
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const pieces = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });

describe("the JSON scanner", () => {
  it("reads what JSON.parse reads, in whatever pieces it comes", () => {
    const text = fc.oneof(
      fc.json(),
      fc.jsonValue().map((value) => JSON.stringify(value, null, 2)),
    );
    fc.assert(
      fc.property(text, pieces, (text, sizes) => {
        expect(scan(text, sizes)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("accepts a damaged text exactly when JSON.parse does", () => {
    const alphabet = [...'{}[]",:\\0123456789eE+-.tfn \n\u0001u'];
    const damage = fc.record({ at: fc.nat(), insert: fc.constantFrom("", ...alphabet), removed: fc.nat(3) });
    fc.assert(
      fc.property(fc.json(), fc.array(damage, { maxLength: 3 }), pieces, (text, damages, sizes) => {
        for (const { at, insert, removed } of damages) {
          const place = at % (text.length + 1);
          text = text.slice(0, place) + insert + text.slice(place + removed);
        }
        // A lone surrogate has no bytes of its own.
        fc.pre(text.isWellFormed());
        expect(scan(text, sizes)).toEqual(parse(text));
      }),
      { numRuns: 500 },
    );
  });

  it("takes Python's numbers in a config and not in a header", () => {
    expect(scan("[NaN, Infinity, -Infinity]")).toEqual([Number.NaN, Infinity, -Infinity]);
    expect(scan("[NaN]", [1024], "safetensors")).toBeUndefined();
  });

  it("overlooks a byte order mark and padding in a header and not in a config", () => {
    expect(scan("\ufeff{}\0\0 ", [64], "safetensors")).toEqual({});
    expect(scan("\ufeff{}")).toBeUndefined();
    expect(scan("{}\0")).toBeUndefined();
  });

  it("refuses bytes that are no text, and names the place", () => {
    const scanner = new JsonScanner(new JsonTree(), "python");
    const bytes = Buffer.concat([Buffer.from('{"a": "'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(() => scanner.feed(bytes)).toThrow("bytes that are not UTF-8 at byte 7");
  });

  it("survives nesting and tokens without end", () => {
    expect(scan("[".repeat(1_000_000), [4096])).toBeUndefined();
    expect(scan(`"${"a".repeat(5_000_000)}"`, [65_536])).toBeUndefined();
    expect(scan("[".repeat(400) + "]".repeat(400))).toBeDefined();
    expect(scan("[".repeat(600) + "]".repeat(600))).toBeUndefined();
  });

  it("reads a long string in small pieces once, not anew with each piece", () => {
    const text = `["${'word \\" '.repeat(200_000)}"]`;
    expect(scan(text, [97])).toEqual(JSON.parse(text));
    expect(scan(`[${"1".repeat(100_000)}]`, [97])).toBeUndefined();
  });

  it("treats __proto__ as a key like any other", () => {
    const value = scan('{"__proto__": {"polluted": true}}');
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});
