import { mkdirSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { unparsableFiles } from "./state-files.ts";

it("finds files that were set aside or do not parse, but for what is not the service's", async () => {
  const home = await temporaryDirectory();
  for (const directory of ["dossiers", "models/a", "tmp/worker-1"])
    mkdirSync(join(home, directory), { recursive: true });
  for (const name of ["audit.json", "dossiers/1.json", "models/a/config.json", "tmp/worker-1/x.json"])
    writeFileSync(join(home, name), "{");
  writeFileSync(join(home, "starts.json"), "{}");
  writeFileSync(join(home, "quarantine.json.corrupt-1"), "{}");
  expect(unparsableFiles(home).toSorted()).toEqual([
    "audit.json",
    "dossiers/1.json",
    "quarantine.json.corrupt-1",
  ]);
});

it("looks on while directories come and go", async () => {
  const home = await temporaryDirectory();
  const churn = (async () => {
    for (let n = 0; n < 300; n++) {
      const directory = join(home, "logs", `w${n}`);
      mkdirSync(directory, { recursive: true });
      await rm(directory, { recursive: true });
    }
    return true;
  })();
  let isOver = false;
  void churn.then(() => (isOver = true));
  while (!isOver) {
    expect(unparsableFiles(home)).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(unparsableFiles(join(home, "never"))).toEqual([]);
});
