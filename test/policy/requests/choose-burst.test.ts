import { describe, expect, it } from "vitest";
import { chooseBurst } from "../../../supervisor/policy/requests/choose-burst.ts";

const at = (lastArrivalMs: number) => ({ lastArrivalMs });

describe("chooseBurst", () => {
  it("begins one when none runs", () => {
    expect(chooseBurst([], 0)).toBeNull();
  });

  it("joins what came just before", () => {
    const [early, late] = [at(0), at(900)];
    expect(chooseBurst([early, late], 1_000)).toBe(late);
    expect(chooseBurst([late, early], 1_000)).toBe(late);
  });

  it("begins another after a silence that doubles with each burst that runs", () => {
    expect(chooseBurst([at(0)], 249)).not.toBeNull();
    expect(chooseBurst([at(0)], 250)).toBeNull();
    expect(chooseBurst([at(0), at(0)], 499)).not.toBeNull();
    expect(chooseBurst([at(0), at(0)], 500)).toBeNull();
    expect(chooseBurst([at(0), at(0), at(0), at(0)], 1_999)).not.toBeNull();
  });

  it("gives a steady sender few bursts however long it sends", () => {
    const bursts: { lastArrivalMs: number }[] = [];
    for (let now = 0; now < 600_000; now += 1_000) {
      const burst = chooseBurst(bursts, now);
      if (burst === null) bursts.push(at(now));
      else burst.lastArrivalMs = now;
    }
    expect(bursts).toHaveLength(4);
  });
});
