import { describe, expect, it } from "vitest";
import { Owners, type Sender } from "../../../supervisor/http/callers/owners.ts";

const KEYLESS: Sender = { key: null, address: "127.0.0.1", claims: ["curl/8", undefined], connection: null };

function owners() {
  const clock = { nowMs: 0 };
  return { clock, owners: new Owners(() => clock.nowMs) };
}

describe("with a key", () => {
  it("a request is the key's, whatever else it says, and the word does not tell the key", () => {
    const { owners: desk } = owners();
    const one = desk.arrive({ ...KEYLESS, key: "sk-first-key" });
    const other = desk.arrive({ ...KEYLESS, key: "sk-first-key", address: "10.0.0.9", claims: ["python"] });
    expect(other.owner).toBe(one.owner);
    expect(one.ownerOf("alice")).toBe(one.owner);
    expect(desk.arrive({ ...KEYLESS, key: "sk-other-key" }).owner).not.toBe(one.owner);
    expect(one.owner).not.toContain("first");
    expect(one.owner.length).toBeLessThanOrEqual(64);
    // Not even by trying keys: another process says another word for the same one.
    expect(new Owners().arrive({ ...KEYLESS, key: "sk-first-key" }).owner).not.toBe(one.owner);
  });
});

describe("without a key", () => {
  it("addresses, programs and users are told apart", () => {
    const { owners: desk } = owners();
    const words = [
      desk.arrive(KEYLESS).owner,
      desk.arrive({ ...KEYLESS, address: "127.0.0.2" }).owner,
      desk.arrive({ ...KEYLESS, claims: ["python-httpx", undefined] }).owner,
      desk.arrive({ ...KEYLESS, claims: ["curl/8", "any-key"] }).owner,
      desk.arrive(KEYLESS).ownerOf("alice"),
      desk.arrive(KEYLESS).ownerOf("bob"),
    ];
    expect(new Set(words).size).toBe(words.length);
    expect(desk.arrive({ ...KEYLESS, claims: ["python"] }).ownerOf("alice")).toBe(words[4]);
  });

  it("what comes together is one owner's, and what comes into a silence another's", () => {
    const { owners: desk, clock } = owners();
    const greedy = Array.from({ length: 100 }, () => {
      clock.nowMs += 5;
      return desk.arrive(KEYLESS);
    });
    expect(new Set(greedy.map(({ owner }) => owner)).size).toBe(1);
    clock.nowMs += 300;
    const newcomer = desk.arrive(KEYLESS);
    expect(newcomer.owner).not.toBe(greedy[0]?.owner);
    expect(newcomer.owner.length).toBeLessThanOrEqual(64);
  });

  it("a connection stays with its burst, and its next request is no noise to others", () => {
    const { owners: desk, clock } = owners();
    const connection = {};
    const first = desk.arrive({ ...KEYLESS, connection });
    desk.arrive(KEYLESS);
    first.leave();
    clock.nowMs = 1_000;
    expect(desk.arrive({ ...KEYLESS, connection }).owner).toBe(first.owner);
    expect(desk.arrive(KEYLESS).owner).not.toBe(first.owner);
  });

  it("a burst is forgotten when its last request is over", () => {
    const { owners: desk, clock } = owners();
    const first = desk.arrive(KEYLESS);
    const second = desk.arrive(KEYLESS);
    first.leave();
    first.leave();
    clock.nowMs = 10;
    expect(desk.arrive(KEYLESS).owner).toBe(second.owner);
    const alone = owners();
    const only = alone.owners.arrive(KEYLESS);
    only.leave();
    expect(alone.owners.arrive(KEYLESS).owner).not.toBe(only.owner);
  });
});
