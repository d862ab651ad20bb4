import { join } from "node:path";
import { expect, it } from "vitest";
import { READINESS_STATES } from "../shared/readiness.ts";
import { readinessParts } from "./readiness/page-parts.ts";
import { statesMet } from "./readiness/request-answers.ts";
import { expectPageParts } from "./support/page-parts.ts";

const PAGE = join(import.meta.dirname, "..", "docs", "readiness.md");

it("docs/readiness.md has the tables of the code (UPDATE_DOCS=1 writes them)", async () => {
  await expectPageParts(PAGE, await readinessParts());
});

it("every public state is one of a situation a request can meet", () => {
  expect([...statesMet()].toSorted()).toEqual([...READINESS_STATES].toSorted());
});
