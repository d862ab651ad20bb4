import { describe, expect, it } from "vitest";
import { ADVISORIES, advisoriesFor } from "../../supervisor/cli/doctor/advisories.ts";
import { isInRange } from "../../supervisor/cli/doctor/version-range.ts";

describe("a version range", () => {
  it.each([
    ["0.31.1", "<=0.31.1", true],
    ["0.31.2", "<=0.31.1", false],
    ["0.9.0", "<=0.31.1", true],
    ["0.31", "==0.31.0", true],
    ["0.31.2.0", "==0.31.2", true],
    ["0.31.2", ">=0.31.2,<=0.32.0", true],
    ["0.32.0.post1", ">=0.31.2,<=0.32.0", false],
    ["0.32.1", "!=0.32.0", true],
    ["1!0.1", ">5", true],
    // The part after + names a build of the same release.
    ["0.31.2+metal.4", "==0.31.2", true],
    // Before its release: development, alpha, beta, candidate.
    ["1.0.dev3", "<1.0a1", true],
    ["1.0a1", "<1.0b1", true],
    ["1.0b2", "<1.0rc1", true],
    ["1.0a1.dev1", "<1.0a1", true],
    ["1.0rc1", "<=1.0", true],
    ["1.0rc1", "<1.0", false],
    ["1.0rc1", "<1.0rc2", true],
    ["0.9rc1", "<1.0", true],
    ["1.0.post1", ">1.0", false],
    ["1.0.post1", ">=1.0", true],
    ["1.0.post2", ">1.0.post1", true],
    ["1.0-1", "==1.0.post1", true],
    ["V1.0-ALPHA.2", "==1.0a2", true],
    ["unknown", ">=0", false],
    ["", ">=0", false],
  ])("%s in %s: %s", (version, range, expected) => {
    expect(isInRange(version, range)).toBe(expected);
  });

  it("that makes no sense is a bug, not an answer", () => {
    for (const range of ["", "0.31", "~=0.31", ">=", "==0.31.*"]) {
      expect(() => isInRange("1.0", range), range).toThrow("not a version range");
    }
  });
});

describe("advisories", () => {
  it("all have a range that can be read and a source", () => {
    for (const { versions, source } of ADVISORIES) {
      expect(() => isInRange("1.0", versions)).not.toThrow();
      expect(source).toMatch(/^https:\/\/github\.com\/ml-explore\/[\w-]+\/issues\/\d+$/);
    }
  });

  it("are found by package and version", () => {
    const known = (mlx: string, mlxLm: string) =>
      advisoriesFor({ mlx, "mlx-lm": mlxLm }).map(({ what, severity }) => `${severity}: ${what}`);
    expect(known("0.32.4", "0.32.2")).toEqual([]);
    expect(known("0.31.1", "0.32.2")).toEqual([expect.stringMatching(/^fail: fused attention/)]);
    expect(known("0.31.2", "0.31.3")).toHaveLength(3);
    expect(known("0.32.0", "0.32.2")).toEqual([expect.stringContaining("nvfp4")]);
  });
});
