import { describe, expect, it } from "vitest";
import {
  noteRuntimeFailure,
  type RuntimeFailure,
} from "../../../supervisor/policy/diagnosis/runtime-breaker.ts";

const MINUTE = 60_000;

/** Whether the last of these failures broke the runtime. */
function breaks(...failures: readonly (readonly [model: string, cause: string, at: number])[]): boolean {
  let noted: readonly RuntimeFailure[] = [];
  let broken = false;
  for (const [model, cause, at] of failures) {
    const next = noteRuntimeFailure(noted, { model, cause, at });
    noted = next.failures;
    broken = next.isBroken;
  }
  return broken;
}

describe("failures of the runtime", () => {
  it("mean that it is broken when two models meet the same", () => {
    expect(breaks(["a", "bad_install", 0])).toBe(false);
    expect(breaks(["a", "bad_install", 0], ["b", "bad_install", 1])).toBe(true);
  });

  it("mean that it is broken when one model meets the same three times in five minutes", () => {
    expect(breaks(["a", "spawn_failed", 0], ["a", "spawn_failed", 1])).toBe(false);
    expect(breaks(["a", "spawn_failed", 0], ["a", "spawn_failed", 1], ["a", "spawn_failed", 2])).toBe(true);
    expect(
      breaks(["a", "spawn_failed", 0], ["a", "spawn_failed", 4 * MINUTE], ["a", "spawn_failed", 5 * MINUTE]),
    ).toBe(false);
  });

  it("of different causes do not add up, neither over models nor over tries", () => {
    expect(breaks(["a", "bad_install", 0], ["b", "spawn_failed", 1])).toBe(false);
    expect(breaks(["a", "x", 0], ["a", "y", 1], ["a", "z", 2])).toBe(false);
  });

  it("are forgotten after five minutes", () => {
    expect(breaks(["a", "bad_install", 0], ["b", "bad_install", 5 * MINUTE])).toBe(false);
    expect(breaks(["a", "bad_install", 0], ["b", "bad_install", 5 * MINUTE - 1])).toBe(true);
  });

  it("of one moment are kept in bounded number", () => {
    let noted: readonly RuntimeFailure[] = [];
    for (let index = 0; index < 1_000; index++)
      noted = noteRuntimeFailure(noted, { model: "a", cause: `c${index}`, at: 0 }).failures;
    expect(noted.length).toBeLessThanOrEqual(50);
  });
});
