import { expect, it } from "vitest";
import type { Figure } from "./figure.ts";
import { formatRun, mergeRuns, parseRun, type RunFacts, renderRun, type SavedRun } from "./saved-run.ts";

const facts = (command: string, date: string): RunFacts => ({
  command,
  date,
  revision: "abc",
  version: "1.0.0",
  machine: "machine",
  blas: "blas",
  software: "software",
  load: 0.25,
});
const figure = (name: string, ms: number) => ({
  name,
  unit: "ms",
  samples: { "opta-lmx": [[ms]] },
  failures: {},
});
const known = ["one", "two", "three"].map(
  (name): Figure => ({
    name,
    title: `title of ${name}`,
    unit: "ms",
    subjects: ["opta-lmx"],
    goals: [],
    measure: async () => [],
  }),
);

const whole: SavedRun = { about: facts("all", "day one"), figures: [figure("one", 1), figure("two", 2)] };
const part: SavedRun = { about: facts("some", "day two"), figures: [figure("two", 20), figure("three", 30)] };

it("is read back as it was written, a line per figure", () => {
  const text = formatRun(mergeRuns(whole, part));
  expect(text.trimEnd().split("\n")).toHaveLength(4);
  expect(parseRun(text)).toEqual(mergeRuns(whole, part));
  expect(() => parseRun("\n")).toThrow("without --only");
});

it("keeps what was not measured again, and says of the rest when it was", () => {
  const { about, figures } = mergeRuns(whole, part);
  expect(about.date).toBe("day one");
  expect(figures.map(({ name, samples, about: own }) => [name, samples["opta-lmx"], own?.date])).toEqual([
    ["one", [[1]], undefined],
    ["two", [[20]], "day two"],
    ["three", [[30]], "day two"],
  ]);
});

it("renders every figure in the known order, with one line for those that were measured apart", () => {
  const page = renderRun(mergeRuns(whole, part), known);
  expect(page).toMatch(/^`all` on day one/);
  expect(page).toContain("Measured apart (`two`, `three`): `some` on day two");
  expect(page.match(/Measured apart/g)).toHaveLength(1);
  expect(page.match(/title of \w+/g)).toEqual(["title of one", "title of two", "title of three"]);
  expect(page).toContain("| title of two, ms | **20.0**");
});

it("leaves out figures that are not known any more, and says nothing of parts where there are none", () => {
  const page = renderRun(whole, known.slice(1));
  expect(page).not.toContain("title of one");
  expect(page).not.toContain("Measured apart");
});
