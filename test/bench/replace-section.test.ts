import { expect, it } from "vitest";
import { replaceSection } from "./replace-section.ts";

it("replaces what stands between the markers and nothing else", () => {
  const page = "before\n<!-- results:begin -->\nold\n<!-- results:end -->\nafter\n";
  const replaced = "before\n<!-- results:begin -->\nnew $& text\n<!-- results:end -->\nafter\n";
  expect(replaceSection(page, "results", "new $& text\n")).toBe(replaced);
  expect(replaceSection(replaced, "results", "new $& text")).toBe(replaced);
});

it("refuses a page whose markers are missing or in the wrong order", () => {
  expect(() => replaceSection("text", "results", "new")).toThrow("<!-- results:begin -->");
  expect(() => replaceSection("<!-- results:end --><!-- results:begin -->", "results", "new")).toThrow(
    "put them back",
  );
});
