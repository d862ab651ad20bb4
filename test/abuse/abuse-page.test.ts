import { readFile, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { abusePage, abuseTests } from "./abuse-page.ts";
import { ABUSE_MATRIX } from "./matrix.ts";

const PAGE = new URL("../../docs/abuse.md", import.meta.url);

it("docs/abuse.md is what the tests say (UPDATE_DOCS=1 writes it anew)", async () => {
  const page = abusePage();
  if (process.env.UPDATE_DOCS === "1") await writeFile(PAGE, page);
  expect(await readFile(PAGE, "utf8")).toBe(page);
});

it("every row has a test, and no test is of another row", () => {
  const tested = abuseTests().map(({ id }) => id);
  expect(Object.keys(ABUSE_MATRIX).toSorted()).toEqual([...new Set(tested)].toSorted());
});
