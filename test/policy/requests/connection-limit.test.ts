import { describe, expect, it } from "vitest";
import {
  admitConnection,
  connectionLimit,
  LAST_PLACES,
} from "../../../supervisor/policy/requests/connection-limit.ts";

describe("connectionLimit", () => {
  it.each([
    ["leaves a quarter of few descriptors to workers and files", 400, null, 284],
    ["leaves 64 of very few", 128, null, 48],
    ["goes by the smallest usual limit where it is not known", null, null, 176],
    ["takes no more than a machine can use", 1_000_000, null, 4_096],
    ["takes no more than a machine can use of an endless limit", Number.POSITIVE_INFINITY, null, 4_096],
    ["is what was configured", 20_000, 8_000, 8_000],
    ["is never more than there are descriptors for", 400, 8_000, 284],
    ["leaves the API its first connections, whatever the limit", 20, null, 16],
  ])("%s", (_what, descriptors, wanted, limit) => {
    expect(connectionLimit(descriptors, wanted)).toBe(limit);
  });
});

describe("admitConnection", () => {
  const decide = (open: number, idle: string | null) => admitConnection(open, 10, () => idle);

  it("accepts below the limit, and looks for nobody to send away", () => {
    const admission = admitConnection(9, 10, () => expect.fail("looked for an idle one"));
    expect(admission).toEqual({ kind: "accept" });
  });

  it("replaces an idle one at the limit, and beyond it", () => {
    expect(decide(10, "idle")).toEqual({ kind: "replace", idle: "idle" });
    expect(decide(10 + LAST_PLACES, "idle")).toEqual({ kind: "replace", idle: "idle" });
  });

  it("keeps the last places for probes and operators, and drops when those are taken", () => {
    expect(decide(10, null)).toEqual({ kind: "accept-late" });
    expect(decide(10 + LAST_PLACES - 1, null)).toEqual({ kind: "accept-late" });
    expect(decide(10 + LAST_PLACES, null)).toEqual({ kind: "drop" });
  });
});
