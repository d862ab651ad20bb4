import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ABUSE_GUARDS } from "../abuse/guards.ts";
import { LATER } from "./fault-matrix-page.ts";
import { editsOf, GUARDS } from "./guards.ts";
import { FAULT_MATRIX } from "./matrix.ts";

const ROOT = join(import.meta.dirname, "../..");

it("every row of the matrix names the guard without which it fails", () => {
  const rows = Object.keys(FAULT_MATRIX).filter((id) => !(id in LATER));
  expect(Object.keys(GUARDS).toSorted()).toEqual(rows.toSorted());
});

it("no two suites have a row of the same name", () => {
  expect(Object.keys(GUARDS).filter((id) => id in ABUSE_GUARDS)).toEqual([]);
});

it.each(Object.entries({ ...GUARDS, ...ABUSE_GUARDS }))(
  "the guard of %s is still where it was",
  (_, guard) => {
    for (const { file, remove, put } of editsOf(guard)) {
      expect(readFileSync(join(ROOT, file), "utf8").split(remove)).toHaveLength(2);
      expect(put).not.toBe(remove);
    }
  },
);
