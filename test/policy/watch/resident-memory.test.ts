import { describe, expect, it } from "vitest";
import { judgeFootprint } from "../../../supervisor/policy/watch/resident-memory.ts";

describe("a worker's footprint", () => {
  it.each([
    ["below the cap", [99, 99], "fine"],
    ["once at the cap", [100], "fine"],
    ["at the cap after a reading below", [99, 100], "fine"],
    ["twice at the cap", [100, 100], "over"],
    ["twice over it", [105, 109], "over"],
    ["back below the cap", [109, 99], "fine"],
    ["over by more than a tenth at first sight", [111], "far-over"],
    ["over by a tenth after a small reading", [1, 111], "far-over"],
    ["over by a tenth before, and fine now", [200, 99], "fine"],
    ["unknown", [null], "fine"],
    ["unknown twice", [null, null], "fine"],
    ["unknown after a reading over the cap", [105, null], "fine"],
    ["unknown before a reading over the cap", [null, 105], "fine"],
    ["never read", [], "fine"],
  ] as const)("%s is judged by its last two readings", (_name, readings, verdict) => {
    expect(judgeFootprint(readings, 100)).toBe(verdict);
  });

  it("is never too large where no cap is known", () => {
    expect(judgeFootprint([1e15, 1e15], null)).toBe("fine");
  });
});
