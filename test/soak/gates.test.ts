import { describe, expect, it } from "vitest";
import { type Evidence, judgeRun } from "./gates.ts";

const MIB = 1024 * 1024;
const limits = {
  endedWithinMs: 1_000,
  heldSlackBytes: 30 * MIB,
  residentLimitBytes: 220 * MIB,
  deaths: null,
  requests: null,
};
const sound: Evidence = {
  apiExits: 0,
  bystanderRequests: 10,
  bystanderErrors: 0,
  malformed: 0,
  wrong: 0,
  internalErrors: 0,
  judged: 2_000,
  late: 2,
  stillInFlight: 0,
  orphans: 0,
  unparsable: 0,
  unnoticed: 0,
  errorsLogged: 0,
  stuck: 0,
  openFiles: { first: 60, last: 70 },
  heldBytes: { first: 30 * MIB, last: 59 * MIB },
  residentBytes: 220 * MIB,
  deaths: 10,
  requests: 100,
};

function broken(evidence: Partial<Evidence>, wanted: Partial<typeof limits> | object = {}): string[] {
  return judgeRun({ ...sound, ...evidence }, { ...limits, ...wanted })
    .filter(({ holds }) => holds === false)
    .map(({ name }) => name);
}

describe("the gates", () => {
  it("all hold for a sound run", () => {
    expect(broken({})).toEqual([]);
  });

  it.each([
    ["apiExits", "no exits of the API"],
    ["bystanderErrors", "the bystander's answers are those of an undisturbed run"],
    ["malformed", "no requests that did not end exactly once"],
    ["wrong", "no answers that are not what was asked for"],
    ["internalErrors", "no answers with internal_error"],
    ["stillInFlight", "no requests the service still counts at the end"],
    ["stuck", "no models that did not come back"],
    ["unnoticed", "no worker deaths the service did not notice"],
    ["errorsLogged", "no errors in the service's log"],
    ["orphans", "no orphans"],
    ["unparsable", "no unparsable files"],
  ] as const)("one of %s is one too many", (figure, gate) => {
    expect(broken({ [figure]: 1 })).toEqual([gate]);
  });

  it("one late request in a thousand is allowed, more are not", () => {
    expect(broken({ judged: 1_000, late: 1 })).toEqual([]);
    expect(broken({ judged: 1_000, late: 2 })).toEqual([
      "99.9 % of a dead worker's requests end within 1000 ms",
    ]);
  });

  it("growth is allowed up to 5 % or the slack", () => {
    expect(broken({ heldBytes: { first: 1_000 * MIB, last: 1_050 * MIB } })).toEqual([]);
    expect(broken({ heldBytes: { first: 30 * MIB, last: 61 * MIB } })).toHaveLength(1);
    expect(broken({ openFiles: { first: 60, last: 73 } })).toHaveLength(1);
  });

  it("the supervisor may be as large as the limit, and no larger", () => {
    expect(broken({ residentBytes: 221 * MIB })).toEqual(["resident memory at the end at most 220 MB"]);
  });

  it("what was asked for must have been reached", () => {
    expect(broken({}, { deaths: 10, requests: 100 })).toEqual([]);
    expect(broken({}, { deaths: 11, requests: 101 })).toEqual(["11 worker deaths", "101 requests"]);
  });

  it("what was not measured is not judged, and says so", () => {
    const gates = judgeRun({ ...sound, orphans: null, residentBytes: null, judged: 0, late: 0 }, limits);
    expect(gates.filter(({ holds }) => holds === null)).toHaveLength(3);
    expect(gates.filter(({ holds }) => holds === false)).toEqual([]);
  });
});
