import { readFile, writeFile } from "node:fs/promises";
import { expect } from "vitest";

const PART = /(<!-- table: (\w+) -->\n)[\s\S]*?(\n<!-- end -->)/g;

/** The marked parts of a page are these, all of them and no other; UPDATE_DOCS=1 writes them. @param parts by name */
export async function expectPageParts(path: string, parts: Readonly<Record<string, string>>): Promise<void> {
  const page = await readFile(path, "utf8");
  expect([...page.matchAll(PART)].map(([, , name]) => name).toSorted()).toEqual(
    Object.keys(parts).toSorted(),
  );
  const expected = page.replace(PART, (_, start, name, end) => `${start}\n${parts[name]}\n${end}`);
  if (process.env.UPDATE_DOCS === "1") await writeFile(path, expected);
  expect(await readFile(path, "utf8")).toBe(expected);
}
