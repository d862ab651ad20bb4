import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import { ReadingTurns } from "../../../supervisor/http/body/reading-turns.ts";

/** Asks for pieces of these owners at once; the names of those that were let through, as they are. */
function ask(turns: ReadingTurns, owners: readonly string[]): string[] {
  const passed: string[] = [];
  for (const owner of owners) void turns.next(owner).then(() => passed.push(owner));
  return passed;
}

it("lets one piece through in a turn of the event loop, and the others in later ones", async () => {
  const passed = ask(new ReadingTurns(), Array(3).fill("a"));
  await Promise.resolve();
  expect(passed).toHaveLength(1);
  await nextTurn();
  expect(passed).toHaveLength(2);
  await nextTurn();
  expect(passed).toHaveLength(3);
});

it("everything else has its turn between two lots of pieces", async () => {
  const passed = ask(new ReadingTurns(), Array(20).fill("a"));
  const seen = await new Promise<number>((resolve) => setImmediate(() => resolve(passed.length)));
  expect(seen).toBeLessThan(20);
});

it("lets owners take turns, however many pieces one of them has waiting", async () => {
  const passed = ask(new ReadingTurns(), [...Array(20).fill("greedy"), "modest"]);
  await nextTurn();
  await nextTurn();
  expect(passed).toHaveLength(3);
  expect(passed).toContain("modest");
});

it("a piece that comes when nothing waits passes at once, in any turn", async () => {
  const turns = new ReadingTurns();
  for (let n = 0; n < 5; n++) {
    const passed = ask(turns, ["a"]);
    await Promise.resolve();
    expect(passed).toEqual(["a"]);
    await nextTurn();
  }
});
