import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createCatalogue } from "../../supervisor/models/catalogue.ts";
import { withAliases } from "../../supervisor/models/live-aliases.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

async function catalogueWith(aliases: Record<string, string>) {
  const root = await temporaryDirectory();
  for (const id of ["org/one", "org/two"]) {
    await mkdir(join(root, id), { recursive: true });
    await writeFile(join(root, id, "config.json"), "{}");
  }
  const catalogue = withAliases(createCatalogue({ roots: [root] }), () => aliases);
  await catalogue.refresh();
  return catalogue;
}

it("finds a model by another name, as the names are now", async () => {
  const aliases: Record<string, string> = { small: "org/one" };
  const catalogue = await catalogueWith(aliases);
  expect(catalogue.resolve("small")?.id).toBe("org/one");
  aliases.small = "org/two";
  aliases.big = "org/one";
  expect([catalogue.resolve("small")?.id, catalogue.resolve("big")?.id]).toEqual(["org/two", "org/one"]);
  delete aliases.small;
  expect(catalogue.resolve("small")).toBeUndefined();
  expect(catalogue.resolve("constructor")).toBeUndefined();
});

it("a model's own id wins, accents may be spelt either way, and near names include aliases", async () => {
  const catalogue = await catalogueWith({ "org/one": "org/two", "caf\u00e9": "org/two", lost: "org/gone" });
  expect(catalogue.resolve("org/one")?.id).toBe("org/one");
  expect(catalogue.resolve("cafe\u0301")?.id).toBe("org/two");
  expect(catalogue.resolve("lost")).toBeUndefined();
  expect(catalogue.nearest("caf")).toContain("caf\u00e9");
});
