import { describe, expect, it, vi } from "vitest";
import { untilMemoryIsBack } from "../../../supervisor/cluster/admission/memory-return.ts";

describe("waiting for a dead worker's memory", () => {
  it("is over at once when it is there, and as soon as it is", async () => {
    const answers = [true, false, false, true];
    const ledger = { isBacked: vi.fn(async () => answers.shift() ?? true) };
    await untilMemoryIsBack(ledger, "m", () => 0);
    expect(ledger.isBacked).toHaveBeenCalledTimes(1);
    await untilMemoryIsBack(ledger, "m", () => 0);
    expect(ledger.isBacked).toHaveBeenCalledTimes(4);
  });

  it("does not wait for ever for what somebody else has taken", async () => {
    let now = 0;
    const ledger = { isBacked: vi.fn(async () => false) };
    await untilMemoryIsBack(ledger, "m", () => (now += 40_000));
    expect(ledger.isBacked).toHaveBeenCalledTimes(2);
  });
});
