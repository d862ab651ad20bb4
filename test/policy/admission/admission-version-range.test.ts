import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compareVersions,
  isInRange,
  parseRange,
  parseVersion,
  type Version,
} from "../../../supervisor/policy/admission/version-range.ts";

const part = fc.nat(3);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: "" as const });
const versionText = fc
  .record({
    epoch: maybe(fc.constant("1!")),
    release: fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(".")),
    pre: maybe(fc.tuple(fc.constantFrom("a", "b", "rc"), part).map((parts) => parts.join(""))),
    post: maybe(part.map((number) => `.post${number}`)),
    dev: maybe(part.map((number) => `.dev${number}`)),
    local: maybe(fc.constantFrom("+cu12", "+1", "+1.a")),
  })
  .map(({ epoch, release, pre, post, dev, local }) => `${epoch}${release}${pre}${post}${dev}${local}`);

const version = (text: string): Version => {
  const parsed = parseVersion(text);
  if (parsed === null) throw new Error(`${text} is no version`);
  return parsed;
};
const compare = (a: string, b: string) => Math.sign(compareVersions(version(a), version(b)));
const holds = (text: string, range: string) => {
  const parsed = parseRange(range);
  return parsed === null ? null : isInRange(text, parsed);
};
const publicPart = (text: string) => text.replace(/\+.*/, "");

describe("versions", () => {
  it("sort as PEP 440 lists them", () => {
    const sorted = [
      "1.dev0",
      "1.0.dev456",
      "1.0a1",
      "1.0a2.dev456",
      "1.0a12.dev456",
      "1.0a12",
      "1.0b1.dev456",
      "1.0b2",
      "1.0b2.post345.dev456",
      "1.0b2.post345",
      "1.0rc1.dev456",
      "1.0rc1",
      "1.0",
      "1.0+abc.5",
      "1.0+abc.7",
      "1.0+5",
      "1.0.post456.dev34",
      "1.0.post456",
      "1.0.15",
      "1.1.dev1",
      "1!0.1",
    ];
    for (const [index, text] of sorted.entries())
      for (const [other, later] of sorted.entries())
        expect(compare(text, later), `${text} ${later}`).toBe(Math.sign(index - other));
  });

  it("are written in many ways", () => {
    for (const [text, plain] of [
      ["v1.0", "1.0"],
      [" 1.0 ", "1.0"],
      ["1.0-1", "1.0.post1"],
      ["1.0.rev2", "1.0.post2"],
      ["1.0-ALPHA_1", "1.0a1"],
      ["1.0c2", "1.0rc2"],
      ["1.0preview", "1.0rc0"],
      ["1.0_dev", "1.0.dev0"],
      ["1.0+Ubuntu-1", "1.0+ubuntu.1"],
    ] as const)
      expect(parseVersion(text)).toEqual(parseVersion(plain));
  });

  it("are not any text", () => {
    for (const text of ["", "x", "1.", "1..0", "1.0x", "1.0+", "1.0 rc 1", "latest", "1".repeat(1000)])
      expect(parseVersion(text)).toBeNull();
  });

  it("are totally ordered", () => {
    fc.assert(
      fc.property(versionText, versionText, versionText, (a, b, c) => {
        expect(compare(a, a)).toBe(0);
        expect(compare(a, b) + compare(b, a)).toBe(0);
        if (compare(a, b) <= 0 && compare(b, c) <= 0) expect(compare(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

describe("ranges", () => {
  it.each([
    ["0.31.1", "<=0.31.1", true],
    ["0.31.1.post1", "<=0.31.1", false],
    ["1.0rc1", "<1.0", false],
    ["1.0rc1", "<1.0rc2", true],
    ["1.0.post1", ">1.0", false],
    ["1.0.post2", ">1.0.post1", true],
    ["1.0.post1", ">1.0.dev1", true],
    ["1.0+cu12", "==1.0", true],
    ["1.0", "==1.0+cu12", false],
    ["1.0+cu12", "<=1.0", true],
    ["0.32.2", "==0.32.*", true],
    ["0.33.0", "==0.32.*", false],
    ["0.32", "==0.32.0.*", true],
    ["2.2.post3", "~=2.2", true],
    ["2.9", "~=2.2", true],
    ["3.0", "~=2.2", false],
    ["2.3.0", "~=2.2.1", false],
    ["1.5", ">=1.0,!=1.5,<2", false],
    ["1.6", ">=1.0,!=1.5,<2", true],
    ["1.0", "===1.0", true],
    ["1.0.0", "===1.0", false],
    ["anything", "", true],
    ["anything", ">=0", false],
  ])("%s in %s: %s", (text, range, expected) => {
    expect(holds(text, range)).toBe(expected);
  });

  it.each(["1.0", ">=", ">>1", "~=1", "<1.*", "==1.0a1.*", ">1+local", "=>1", "== 1 0"])(
    "%s is none",
    (range) => {
      expect(parseRange(range)).toBeNull();
    },
  );

  it("agree with the order, and each operator with its opposite", () => {
    fc.assert(
      fc.property(versionText, versionText.map(publicPart), (text, bound) => {
        const order = compare(publicPart(text), bound);
        expect(holds(text, `>=${bound}`)).toBe(order >= 0);
        expect(holds(text, `<=${bound}`)).toBe(order <= 0);
        expect(holds(text, `==${bound}`)).toBe(order === 0);
        expect(holds(text, `!=${bound}`)).toBe(order !== 0);
        // The strict ones leave out what merely belongs to the bound, so they only imply.
        if (holds(text, `<${bound}`)) expect(order).toBe(-1);
        if (holds(text, `>${bound}`)) expect(order).toBe(1);
      }),
    );
  });

  it("with a star hold for everything that begins so, and with two dots mean the next part may grow", () => {
    fc.assert(
      fc.property(versionText, fc.tuple(part, part, part), (text, [a, b, c]) => {
        const release = [...version(text).release, 0, 0].slice(0, 2).join(".");
        const isSame = version(text).epoch === 0 && release === `${a}.${b}`;
        expect(holds(text, `==${a}.${b}.*`)).toBe(isSame);
        expect(holds(text, `~=${a}.${b}.${c}`)).toBe(isSame && holds(text, `>=${a}.${b}.${c}`));
      }),
    );
  });
});
