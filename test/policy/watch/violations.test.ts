import { describe, expect, it } from "vitest";
import {
  NO_VIOLATIONS,
  noteViolation,
  type ViolationKind,
} from "../../../supervisor/policy/watch/violations.ts";

/** Which of the violations at these times was one too many; null: none. */
function tooManyAt(kind: ViolationKind, times: readonly number[]): number | null {
  let noted = NO_VIOLATIONS;
  for (const now of times) {
    const { times: next, isTooMany } = noteViolation(noted, kind, now);
    noted = next;
    if (isTooMany) return now;
  }
  return null;
}

const every = (ms: number, count: number) => Array.from({ length: count }, (_, index) => index * ms);

describe("violations of the protocol", () => {
  it.each([
    ["line", 20],
    ["shape", 2],
  ] as const)("of kind %s are borne %i times a minute", (kind, most) => {
    expect(tooManyAt(kind, every(1, most))).toBeNull();
    expect(tooManyAt(kind, every(1, most + 1))).toBe(most);
  });

  it("are forgotten after a minute, however many there were in all", () => {
    expect(tooManyAt("line", every(3_000, 1_000))).toBeNull();
    expect(tooManyAt("shape", every(30_000, 1_000))).toBeNull();
    expect(tooManyAt("shape", every(29_999, 3))).toBe(59_998);
  });

  it("of one kind do not add to those of the other", () => {
    let noted = NO_VIOLATIONS;
    for (let index = 0; index < 20; index++) noted = noteViolation(noted, "line", index).times;
    expect(noteViolation(noted, "shape", 20).isTooMany).toBe(false);
    expect(noteViolation(noted, "line", 20).isTooMany).toBe(true);
  });

  it("take no memory without bound", () => {
    let noted = NO_VIOLATIONS;
    for (let index = 0; index < 10_000; index++) noted = noteViolation(noted, "line", 0).times;
    expect(noted.line.length).toBeLessThan(30);
    expect(NO_VIOLATIONS.line).toEqual([]);
  });
});
