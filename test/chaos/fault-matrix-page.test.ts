import { readFile, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { faultMatrixPage, LATER, rowTests } from "./fault-matrix-page.ts";
import { FAULT_MATRIX } from "./matrix.ts";

const PAGE = new URL("../../docs/fault-matrix.md", import.meta.url);

it("docs/fault-matrix.md is what the tests say (UPDATE_DOCS=1 writes it anew)", async () => {
  const page = faultMatrixPage();
  if (process.env.UPDATE_DOCS === "1") await writeFile(PAGE, page);
  expect(await readFile(PAGE, "utf8")).toBe(page);
});

it("every row of the matrix has a test, or says why not, and no test is of another row", () => {
  const tested = new Set(rowTests().map(({ id }) => id));
  expect(Object.keys(FAULT_MATRIX).filter((id) => !tested.has(id))).toEqual(Object.keys(LATER));
  expect([...tested].filter((id) => !(id in FAULT_MATRIX))).toEqual([]);
});

it("every row of workers, the protocol, the service and clients has a test on real processes", () => {
  const onProcesses = new Set(
    rowTests()
      .filter(({ kind }) => kind !== "policy")
      .map(({ id }) => id),
  );
  const needed = Object.keys(FAULT_MATRIX).filter((id) => !(id in LATER) && id !== "R4");
  expect(needed.filter((id) => !onProcesses.has(id))).toEqual([]);
});
