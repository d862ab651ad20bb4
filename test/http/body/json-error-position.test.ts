import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { locateJsonError } from "../../../supervisor/http/body/json-error-position.ts";

describe("locateJsonError", () => {
  it.each([
    ['{"a":x}', 5],
    ['{"a":1,}', 7],
    ["{,}", 1],
    ["[1 2]", 3],
    ["[1,]", 3],
    ['{"a" 1}', 5],
    ['{"a":1} x', 8],
    ['{"a":01}', 6],
    ['{"a":"\\q"}', 6],
    ['{"a":"\n"}', 6],
    ['{"a":"b', 7],
    ['{"a":', 5],
    ["[}", 1],
    ["nul", 0],
    ['{"a":-}', 5],
    ["", 0],
  ])("finds the fault of %j at %d", (text, offset) => {
    expect(() => JSON.parse(text)).toThrow();
    expect(locateJsonError(text).offset).toBe(offset);
  });

  it("counts lines and columns from one", () => {
    expect(locateJsonError('{\n  "a": 1,\n  b\n}')).toEqual({ offset: 14, line: 3, column: 3 });
  });

  it("reads every valid text to its end", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(locateJsonError(text).offset).toBe(text.length);
      }),
    );
  });

  it("points at the first character that no valid text could have", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, cut) => {
        const at = cut % (text.length + 1);
        const broken = `${text.slice(0, at)}\u0001`;
        expect(locateJsonError(broken).offset).toBeLessThanOrEqual(at);
      }),
    );
  });

  it("survives nesting and strings that would overflow a recursive reader", () => {
    expect(locateJsonError("[".repeat(500_000)).offset).toBe(500_000);
    expect(locateJsonError(`"${"\\n".repeat(2_000_000)}`).offset).toBe(4_000_001);
  });
});
