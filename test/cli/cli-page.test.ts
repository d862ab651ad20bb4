import { readFile, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { COMMANDS } from "../../supervisor/cli/commands.ts";
import { lmx } from "./lmx.ts";

const PAGE = new URL("../../docs/cli.md", import.meta.url);

async function helpOf(...args: string[]): Promise<string> {
  return `\`\`\`text\n${(await lmx([...args, "--help"])).out.trimEnd()}\n\`\`\``;
}

it("docs/cli.md is what --help says (UPDATE_DOCS=1 writes it anew)", async () => {
  const sections = await Promise.all(
    COMMANDS.map(async ({ name }) => `## lmx ${name}\n\n${await helpOf(...name.split(" "))}\n`),
  );
  const page = await readFile(PAGE, "utf8");
  const generated = [await helpOf(), "", ...sections].join("\n").trimEnd();
  const expected = page.replace(
    /(<!-- help -->\n)[\s\S]*?(\n<!-- end -->)/,
    (_, start: string, end: string) => `${start}\n${generated}\n${end}`,
  );
  expect(page).toContain("<!-- help -->");
  if (process.env.UPDATE_DOCS === "1") await writeFile(PAGE, expected);
  expect(await readFile(PAGE, "utf8")).toBe(expected);
});
