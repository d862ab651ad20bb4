import { expect, it } from "vitest";
import { StderrLines } from "../../supervisor/workers/stderr-lines.ts";

it("finds the same lines however the bytes are cut", () => {
  const text = "one\ntwo für\r\nthree \u{1f980}\nrest";
  const bytes = Buffer.from(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const lines = new StderrLines();
    const found = [...lines.push(bytes.subarray(0, cut)), ...lines.push(bytes.subarray(cut)), ...lines.end()];
    expect(found.filter((line) => line !== "")).toEqual(["one", "two für", "three \u{1f980}", "rest"]);
  }
});

it("takes every state of a progress bar, which only returns, for a line", () => {
  expect(new StderrLines().push(Buffer.from("1%\r2%\r3%"))).toEqual(["1%", "2%"]);
});

it("cuts a line without end into pieces and keeps none of it waiting", () => {
  const lines = new StderrLines();
  const found = [];
  for (let count = 0; count < 100; count++) found.push(...lines.push(Buffer.alloc(1_000, "x")));
  found.push(...lines.end());
  expect(Math.max(...found.map((piece) => piece.length))).toBe(8 * 1024);
  expect(found.join("")).toBe("x".repeat(100_000));
});

it("cuts between words, so that no key is in two pieces", () => {
  const lines = new StderrLines();
  const text = `${"x ".repeat(4_090)}token=abcdefghijklmnopqrstuvwxyz and more`;
  const found = [...lines.push(Buffer.from(text)), ...lines.end()];
  expect(found).toHaveLength(2);
  expect(found[1]).toBe("token=abcdefghijklmnopqrstuvwxyz and more");
  expect(found.join("")).toBe(text);
});
