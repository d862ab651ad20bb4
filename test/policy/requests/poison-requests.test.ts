import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isRefused,
  mustRunAlone,
  NO_SUSPECTS,
  noteCrash,
  noteFinishedAlone,
  SUSPECT_DEFAULTS,
} from "../../../supervisor/policy/requests/poison-requests.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** The suspects of one supervisor, and a clock that only the test moves. */
class Court {
  suspects = NO_SUSPECTS;
  now = 5 * HOUR;

  after(ms: number): this {
    this.now += ms;
    return this;
  }

  /** Does the crash count? */
  crash(fingerprints: string[], cause = "native_segv", preparing: string | null = null): boolean {
    const noted = noteCrash(this.suspects, { fingerprints, preparing, cause, now: this.now });
    this.suspects = noted.suspects;
    return noted.counts;
  }

  refused = (fingerprint: string) => isRefused(this.suspects, fingerprint, this.now);
  alone = (fingerprint: string) => mustRunAlone(this.suspects, fingerprint, this.now);
  finishes(fingerprint: string): void {
    this.suspects = noteFinishedAlone(this.suspects, fingerprint);
  }
}

describe("want of memory while a request is prepared", () => {
  it.each(["footprint", "host_oom", "killed_oom"])("is that request's fault alone (%s)", (cause) => {
    const court = new Court();
    expect(court.crash(["bomb", "beside"], cause, "bomb")).toBe(false);
    expect([court.alone("bomb"), court.alone("beside")]).toEqual([true, false]);
    expect(court.after(20 * MINUTE).crash(["bomb"], cause, "bomb")).toBe(false);
    expect(court.refused("bomb")).toBe(true);
  });

  it("is never the model's, however many different ones there are", () => {
    const court = new Court();
    for (const bomb of ["one", "two", "three", "four"])
      expect(court.crash([bomb, "beside"], "footprint", bomb)).toBe(false);
    expect(court.alone("beside")).toBe(false);
  });

  it("is found in requests whose client has left", () => {
    const court = new Court();
    expect(court.crash([], "footprint", "left")).toBe(false);
    expect(court.alone("left")).toBe(true);
  });

  it("says nothing of other ends, nor of a worker that prepares nothing", () => {
    expect(new Court().crash(["a"], "native_segv", "a")).toBe(true);
    expect(new Court().crash(["a"], "footprint")).toBe(true);
  });
});

describe("one poison prompt and a client that tries three times", () => {
  it("counts once, is refused after the second crash, and is forgotten an hour later", () => {
    const court = new Court();
    expect(court.crash(["poison"])).toBe(true);
    expect([court.refused("poison"), court.alone("poison")]).toEqual([false, true]);
    expect(court.after(2_000).crash(["poison"])).toBe(false);
    expect(court.refused("poison")).toBe(true);
    expect(court.refused("other")).toBe(false);
    expect(court.after(HOUR - 1).refused("poison")).toBe(true);
    court.after(1);
    expect([court.refused("poison"), court.alone("poison")]).toEqual([false, false]);
    expect(court.crash(["poison"])).toBe(true);
    expect(court.refused("poison")).toBe(false);
  });

  it("counts again ten minutes after the crash that counted, however often it crashed between", () => {
    const court = new Court();
    expect(court.crash(["poison"])).toBe(true);
    expect(court.after(9 * MINUTE).crash(["poison"])).toBe(false);
    expect(court.after(MINUTE).crash(["poison"])).toBe(true);
  });
});

describe("several requests in flight", () => {
  it("are all suspects, and the one in both crashes is refused", () => {
    const court = new Court();
    court.crash(["innocent", "poison", "bystander"]);
    expect(["innocent", "poison", "bystander"].map(court.alone)).toEqual([true, true, true]);
    expect(court.after(1_000).crash(["poison"])).toBe(false);
    expect(["innocent", "poison", "bystander"].map(court.refused)).toEqual([false, true, false]);
  });

  it("are free again once they ran alone to their end", () => {
    const court = new Court();
    court.crash(["innocent", "poison"]);
    court.finishes("innocent");
    expect([court.alone("innocent"), court.alone("poison")]).toEqual([false, true]);
  });

  it("do not free one that is refused already", () => {
    const court = new Court();
    court.crash(["poison"]);
    court.crash(["poison"]);
    court.finishes("poison");
    expect(court.refused("poison")).toBe(true);
  });
});

describe("a broken model", () => {
  it("counts every crash with another request, and every one without any", () => {
    const court = new Court();
    expect([["a"], ["b"], ["c"], [], []].map((inFlight) => court.crash(inFlight))).toEqual([
      true,
      true,
      true,
      true,
      true,
    ]);
  });

  it("still reaches three counted failures when each client tries three times", () => {
    const court = new Court();
    let counted = 0;
    for (const prompt of ["a", "b", "c"]) {
      for (let attempt = 0; attempt < 3; attempt++) {
        if (!court.after(1_000).refused(prompt) && court.crash([prompt])) counted += 1;
      }
    }
    expect(counted).toBe(3);
  });
});

it.each(["killed_external", "gpu_collateral"])("%s counts and marks nobody", (cause) => {
  const court = new Court();
  court.crash(["a"]);
  for (let killed = 0; killed < 5; killed++) expect(court.crash(["a", "b"], cause)).toBe(true);
  expect([court.refused("a"), court.alone("b")]).toEqual([false, false]);
});

it("stays bounded and lets the refused go last", () => {
  const court = new Court();
  court.crash(["poison"]);
  court.crash(["poison"]);
  for (let crash = 0; crash < 30; crash++) {
    court.after(1_000).crash(Array.from({ length: 100 }, (_, index) => `${crash}/${index}`));
  }
  expect(court.suspects.size).toBe(SUSPECT_DEFAULTS.mostSuspects);
  expect([court.refused("poison"), court.alone("0/0"), court.alone("29/99")]).toEqual([true, false, true]);
});

it("stays bounded when all of them are refused, and forgets the oldest", () => {
  const court = new Court();
  for (let index = 0; index < 1_010; index++) {
    court.crash([`p${index}`]);
    court.crash([`p${index}`]);
  }
  expect(court.suspects.size).toBe(SUSPECT_DEFAULTS.mostSuspects);
  expect([court.refused("p9"), court.refused("p10")]).toEqual([false, true]);
});

it("never refuses what was in flight at fewer than two crashes, and changes no state it was given", () => {
  const fingerprint = fc.constantFrom("a", "b", "c", "d");
  const crash = fc.record({
    inFlight: fc.array(fingerprint, { maxLength: 3 }),
    cause: fc.constantFrom("native_segv", "gpu_oom", "killed_external"),
    afterMs: fc.integer({ min: 0, max: 20 * MINUTE }),
  });
  fc.assert(
    fc.property(fc.array(crash, { maxLength: 30 }), (crashes) => {
      const court = new Court();
      const marked: string[] = [];
      for (const { inFlight, cause, afterMs } of crashes) {
        const before = court.suspects;
        const copy = structuredClone(before);
        court.after(afterMs).crash(inFlight, cause);
        expect(before).toEqual(copy);
        if (cause !== "killed_external") marked.push(...new Set(inFlight));
        for (const one of ["a", "b", "c", "d"]) {
          const times = marked.filter((other) => other === one).length;
          if (court.refused(one)) expect(times).toBeGreaterThanOrEqual(2);
          if (court.refused(one)) expect(court.alone(one)).toBe(true);
        }
      }
    }),
  );
});
