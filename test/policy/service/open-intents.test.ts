import { expect, it } from "vitest";
import {
  keysThatMayHaveTakenTheHostDown,
  type LoadIntent,
} from "../../../supervisor/policy/service/open-intents.ts";

const intent = (key: string, bootId: string | null): LoadIntent => ({ key, pid: 7, bootId, at: 0 });

it("names each key once whose intent is of another boot", () => {
  const intents = [
    intent("a", "boot-1"),
    intent("b", "boot-2"),
    intent("a", "boot-1"),
    intent("c", "boot-0"),
  ];
  expect(keysThatMayHaveTakenTheHostDown(intents, "boot-2")).toEqual(["a", "c"]);
});

it("suspects nobody when one of the two boots is unknown", () => {
  expect(keysThatMayHaveTakenTheHostDown([intent("a", null)], "boot-2")).toEqual([]);
  expect(keysThatMayHaveTakenTheHostDown([intent("a", "boot-1")], null)).toEqual([]);
});
