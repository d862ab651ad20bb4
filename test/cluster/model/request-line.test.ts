import { describe, expect, it } from "vitest";
import { RequestLine } from "../../../supervisor/cluster/model/request-line.ts";
import { RequestSlots } from "../../../supervisor/cluster/model/request-slots.ts";
import { FakeWorker } from "../../support/fake-worker.ts";

function lined() {
  const slots = new RequestSlots(
    () => 0,
    () => {},
  );
  const line = new RequestLine(slots);
  const { session } = new FakeWorker(1);
  const enter = (owner: string, name = owner) => {
    const place = { owner, fingerprint: () => name };
    line.enter(place);
    return place;
  };
  const acquire = (place: ReturnType<typeof enter>) => {
    line.takeTurn(place);
    return slots.acquire(session, place.fingerprint, { owner: place.owner });
  };
  return { slots, line, session, enter, acquire };
}

describe("the line at a model's door", () => {
  it("lets everybody in where there is no limit", () => {
    const { line, enter } = lined();
    const places = [enter("a"), enter("a"), enter("b")];
    expect(places.every((place) => line.isNext(place, null))).toBe(true);
  });

  it("gives a place to an owner who has none, and the one place there is to owners in turn", () => {
    const { line, enter, acquire } = lined();
    const [first, second, other] = [enter("a"), enter("a"), enter("b")];
    expect([first, second, other].map((place) => line.isNext(place, 1))).toEqual([true, false, false]);
    const slot = acquire(first);
    expect([second, other].some((place) => line.isNext(place, 1))).toBe(false);
    expect([second, other].map((place) => line.isNext(place, 2))).toEqual([false, true]);
    slot.release("finished");
    expect([second, other].map((place) => line.isNext(place, 1))).toEqual([false, true]);
    acquire(other).release("finished");
    expect(line.isNext(second, 1)).toBe(true);
  });

  it("passes over one who left, and one who must run alone while others run", () => {
    const { line, enter, acquire, slots, session } = lined();
    acquire(enter("a", "suspect"));
    slots.noteCrash(session, "native_segv");
    const running = acquire(enter("b"));
    const [suspect, gone, next] = [enter("a", "suspect"), enter("c"), enter("d")];
    line.leave(gone);
    expect([suspect, gone, next].map((place) => line.isNext(place, 2))).toEqual([false, false, true]);
    running.release("finished");
    expect(line.isNext(suspect, 2)).toBe(true);
  });

  it("knows whether somebody else waits: at the door, or for the first event", () => {
    const { line, enter, acquire } = lined();
    const mine = acquire(enter("a"));
    expect(line.othersWait("a")).toBe(false);
    expect(line.othersWait("b")).toBe(true);
    mine.begin();
    expect(line.othersWait("b")).toBe(false);
    const place = enter("b");
    expect(line.othersWait("a")).toBe(true);
    const other = acquire(place);
    expect(line.othersWait("a")).toBe(true);
    other.release("over");
    expect(line.othersWait("a")).toBe(false);
  });
});
