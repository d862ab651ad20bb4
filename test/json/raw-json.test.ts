import { describe, expect, it } from "vitest";
import { jsonPieces, RawJson } from "../../supervisor/json/raw-json.ts";

const text = (value: unknown) =>
  Buffer.concat(jsonPieces(value).map((piece) => Buffer.from(piece))).toString();

describe("a raw value", () => {
  it("goes into the text as it is, where it stands", () => {
    const raw = new RawJson(Buffer.from('{"é":[1,2]}'));
    expect(text({ a: raw, b: ["x", raw, null] })).toBe('{"a":{"é":[1,2]},"b":["x",{"é":[1,2]},null]}');
    expect(text(raw)).toBe('{"é":[1,2]}');
  });

  it("is not copied", () => {
    const bytes = new Uint8Array([0x31]);
    expect(jsonPieces({ a: new RawJson(bytes) }).some((piece) => piece === bytes)).toBe(true);
  });

  it("changes nothing where there is none", () => {
    const value = { a: "raw-json", b: [undefined, Number.NaN], c: undefined };
    expect(text(value)).toBe(JSON.stringify(value));
  });
});
