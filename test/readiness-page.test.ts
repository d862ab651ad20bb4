import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { READINESS_STATES } from "../shared/readiness.ts";
import { readinessParts } from "./readiness/page-parts.ts";
import { statesMet } from "./readiness/request-answers.ts";

const PAGE = join(import.meta.dirname, "..", "docs", "readiness.md");
const PART = /(<!-- table: (\w+) -->\n)[\s\S]*?(\n<!-- end -->)/g;

it("docs/readiness.md has the tables of the code (UPDATE_DOCS=1 writes them)", async () => {
  const parts = await readinessParts();
  const page = await readFile(PAGE, "utf8");
  expect([...page.matchAll(PART)].map(([, , name]) => name).toSorted()).toEqual(
    Object.keys(parts).toSorted(),
  );
  const expected = page.replace(PART, (_, start, name, end) => `${start}\n${parts[name]}\n${end}`);
  if (process.env.UPDATE_DOCS === "1") await writeFile(PAGE, expected);
  expect(await readFile(PAGE, "utf8")).toBe(expected);
});

it("every public state is one of a situation a request can meet", () => {
  expect([...statesMet()].toSorted()).toEqual([...READINESS_STATES].toSorted());
});
