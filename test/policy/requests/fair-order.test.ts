import { describe, expect, it } from "vitest";
import { fairOrder } from "../../../supervisor/policy/requests/fair-order.ts";

/** `a1` is owner a's first. */
const line = (...names: string[]) => names.map((name) => ({ owner: name.slice(0, 1), name }));
/** Served: places and last turn. */
const order = (
  waiting: ReturnType<typeof line>,
  places: number,
  served: Record<string, [number, number]> = {},
) => {
  const had = Object.entries(served).map(
    ([owner, [has, lastTurn]]) => [owner, { places: has, lastTurn }] as const,
  );
  return fairOrder(waiting, new Map(had), places).map(({ name }) => name);
};

describe("fairOrder", () => {
  it("is first come, first served for one owner", () => {
    expect(order(line("a1", "a2", "a3"), 2)).toEqual(["a1", "a2"]);
  });

  it("lets owners take turns, however many one of them sends", () => {
    expect(order(line("a1", "a2", "a3", "b1", "c1", "b2"), 5)).toEqual(["a1", "b1", "c1", "a2", "b2"]);
  });

  it("counts the places an owner has already", () => {
    expect(order(line("a1", "a2", "b1"), 2, { a: [2, 2] })).toEqual(["b1", "a1"]);
  });

  it("remembers whose turn it was where there is one place for all", () => {
    expect(order(line("a1", "a2", "b1"), 1, { a: [0, 1] })).toEqual(["b1"]);
    expect(order(line("a1", "b1", "c1"), 3, { a: [0, 2], b: [0, 1] })).toEqual(["c1", "b1", "a1"]);
  });

  it("chooses nobody where there is no place or nobody waits", () => {
    expect(order(line("a1"), 0)).toEqual([]);
    expect(order([], 3)).toEqual([]);
  });
});
