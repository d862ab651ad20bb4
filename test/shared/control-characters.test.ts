import { expect, it } from "vitest";
import { escapedJson } from "../../shared/control-characters.ts";

/** DEL, a C1 control, every kind of bidi control, and Unicode's line separators. */
const STEERING = "\u007f\u0080\u009b\u009f\u061c\u200e\u200f\u202a\u202e\u2066\u2069\u2028\u2029";

it("a line of JSON keeps its meaning, and nothing in it steers a terminal", () => {
  const value = { path: `/${STEERING}\u001b[2J`, msg: "grün 日本 👩‍💻 \n\t" };
  const line = `${JSON.stringify(value)}\n`;
  const escaped = escapedJson(line);
  expect(JSON.parse(escaped)).toEqual(value);
  expect(escaped).toContain("grün 日本 👩‍💻");
  expect(escaped.endsWith("}\n")).toBe(true);
  for (const character of `${STEERING}\u001b`) expect(escaped).not.toContain(character);
});
