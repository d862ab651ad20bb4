import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ArrivingBody,
  chooseYielding,
  hasRoom,
} from "../../../supervisor/policy/requests/request-room.ts";

describe("hasRoom", () => {
  const room = (heldBytes: number, ownerBytes: number, bytes: number) =>
    hasRoom({ maxBytes: 100, heldBytes, ownerBytes }, bytes);

  it("gives one owner alone half, and not a byte more", () => {
    expect(room(49, 49, 1)).toBe(true);
    expect(room(50, 50, 1)).toBe(false);
  });

  it("gives a second owner room beside one who has all he may", () => {
    expect(room(50, 0, 25)).toBe(true);
    expect(room(50, 0, 26)).toBe(false);
  });

  it("never lets the whole be exceeded, and always leaves something for the next owner", () => {
    const requests = fc.array(fc.record({ owner: fc.nat(9), bytes: fc.nat(60) }), { maxLength: 100 });
    fc.assert(
      fc.property(requests, (asked) => {
        const held = new Map<number, number>();
        const sum = () => [...held.values()].reduce((a, b) => a + b, 0);
        for (const { owner, bytes } of asked) {
          const ownerBytes = held.get(owner) ?? 0;
          if (hasRoom({ maxBytes: 1_000, heldBytes: sum(), ownerBytes }, bytes))
            held.set(owner, ownerBytes + bytes);
        }
        expect(sum()).toBeLessThan(1_000);
      }),
    );
  });
});

describe("chooseYielding", () => {
  const NOW = 10_000;
  const body = (owner: string, ownerBytes: number, bytes: number, silentMs: number): ArrivingBody => ({
    owner,
    ownerBytes,
    bytes,
    lastByteMs: NOW - silentMs,
  });
  const asker = { owner: "me", ownerBytes: 10, bytes: 10 };

  it("takes a resting body of whoever holds most, the one that rests for longest", () => {
    const chosen = body("hog", 80, 5, 3_000);
    const others = [body("hog", 80, 70, 0), body("hog", 80, 5, 2_000), body("other", 20, 20, 9_000)];
    expect(chooseYielding([...others, chosen], asker, NOW)).toBe(chosen);
  });

  it("takes a much larger one where none rests", () => {
    const large = body("hog", 80, 21, 0);
    expect(chooseYielding([body("hog", 80, 20, 0), large], asker, NOW)).toBe(large);
  });

  it("takes nothing of those who hold less, and nothing of an equal that keeps coming", () => {
    const less = body("modest", 9, 9, 60_000);
    const equal = body("me", 10, 10, 999);
    expect(chooseYielding([less, equal], asker, NOW)).toBeNull();
  });

  it("takes the asker's own slow ones as well", () => {
    const own = body("me", 10, 1, 1_000);
    expect(chooseYielding([own], asker, NOW)).toBe(own);
  });
});
