import { expect, it } from "vitest";
import { promptText } from "./prompt-text.ts";

it("gives every server the same prompt and every request another", () => {
  expect(promptText("round-1", 60)).toBe(promptText("round-1", 60));
  expect(promptText("round-1", 60).slice(0, 20)).not.toBe(promptText("round-2", 60).slice(0, 20));
});

it("grows with the number of tokens wanted", () => {
  expect(promptText("a", 3000).split(" ")).toHaveLength(1000);
});
