import { expect, it } from "vitest";
import { z } from "zod";
import { boundedList } from "../shared/bounded-list.ts";

const schema = z.object({
  list: boundedList(z.object({ a: z.string() }), 1_000)
    .min(1)
    .nullish(),
});
const sound = (count: number) => Array.from({ length: count }, () => ({ a: "x", more: 1 }));
const issuesOf = (list: unknown) => schema.safeParse({ list }).error?.issues ?? [];

it("a bounded list keeps what a list keeps", () => {
  for (const count of [1, 100, 101, 1_000])
    expect(schema.parse({ list: sound(count) }).list).toEqual(
      Array.from({ length: count }, () => ({ a: "x" })),
    );
  expect(issuesOf([])).toMatchObject([{ code: "too_small", path: ["list"] }]);
  expect(issuesOf("no")).toMatchObject([{ code: "invalid_type", path: ["list"] }]);
});

it("its check ends with the first slice that is wrong, and says where", () => {
  const issues = issuesOf([...sound(250), 0, { a: 1 }, ...Array(700).fill(0)]);
  expect(issues).toHaveLength(50);
  expect(issues.slice(0, 2).map(({ path }) => path)).toEqual([
    ["list", 250],
    ["list", 251, "a"],
  ]);
});

it("a longer list is refused unseen", () => {
  expect(issuesOf(Array(1_001).fill(0))).toMatchObject([{ code: "too_big", maximum: 1_000 }]);
});
