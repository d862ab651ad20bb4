import { describe, expect, it } from "vitest";
import { parseJson } from "../../../supervisor/http/body/parse-json.ts";

const parse = (text: string) => parseJson(new TextEncoder().encode(text));
const refusal = (message: RegExp) =>
  expect.objectContaining({ code: "invalid_request_error", message: expect.stringMatching(message) });

describe("parseJson", () => {
  it("reads UTF-8 with and without a byte order mark", () => {
    expect(parse('{"a":["é",1]}')).toEqual({ a: ["é", 1] });
    expect(parse("\ufeff{}")).toEqual({});
  });

  it("names the position of a fault", () => {
    expect(() => parse('{\n"a": tru}')).toThrow(refusal(/found "t" at position 7 \(line 2, column 6\)/));
    expect(() => parse('{"a":')).toThrow(refusal(/found the end at position 5/));
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(() => parseJson(new Uint8Array([0x22, 0xff, 0x22]))).toThrow(refusal(/UTF-8/));
  });

  it("refuses an empty body by name", () => {
    expect(() => parse(" \n")).toThrow(refusal(/empty/));
  });

  it("replaces half a surrogate pair in values, wherever it stands", () => {
    expect(parse('{"a":"x\\ud83d","b":["\\udc00",{"c":"ok \\ud83d\\ude00"}]}')).toEqual({
      a: "x\ufffd",
      b: ["\ufffd", { c: "ok 😀" }],
    });
  });

  it("refuses half a surrogate pair in a key", () => {
    expect(() => parse('{"\\ud83d":1}')).toThrow(refusal(/surrogate/));
  });
});
