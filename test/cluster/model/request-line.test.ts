import { describe, expect, it } from "vitest";
import { RequestLine } from "../../../supervisor/cluster/model/request-line.ts";
import { RequestSeats } from "../../../supervisor/cluster/model/request-slots.ts";
import { FakeWorker } from "../../support/fake-worker.ts";

function lined() {
  const seats = new RequestSeats(
    () => 0,
    () => {},
  );
  const line = new RequestLine(seats);
  const { session } = new FakeWorker(1);
  const enter = (owner: string, name = owner) => {
    const place = { owner, fingerprint: () => name };
    line.enter(place);
    return place;
  };
  const sit = (place: ReturnType<typeof enter>) => {
    line.takeTurn(place);
    return seats.take(session, place.fingerprint, { owner: place.owner });
  };
  return { seats, line, session, enter, sit };
}

describe("the line at a model's door", () => {
  it("lets everybody in where there is no limit", () => {
    const { line, enter } = lined();
    const places = [enter("a"), enter("a"), enter("b")];
    expect(places.every((place) => line.isNext(place, null))).toBe(true);
  });

  it("gives a place to an owner who has none, and the one place there is to owners in turn", () => {
    const { line, enter, sit } = lined();
    const [first, second, other] = [enter("a"), enter("a"), enter("b")];
    expect([first, second, other].map((place) => line.isNext(place, 1))).toEqual([true, false, false]);
    const seat = sit(first);
    expect([second, other].some((place) => line.isNext(place, 1))).toBe(false);
    expect([second, other].map((place) => line.isNext(place, 2))).toEqual([false, true]);
    seat.leave("finished");
    expect([second, other].map((place) => line.isNext(place, 1))).toEqual([false, true]);
    sit(other).leave("finished");
    expect(line.isNext(second, 1)).toBe(true);
  });

  it("passes over one who left, and one who must run alone while others run", () => {
    const { line, enter, sit, seats, session } = lined();
    sit(enter("a", "suspect"));
    seats.noteCrash(session, "native_segv");
    const running = sit(enter("b"));
    const [suspect, gone, next] = [enter("a", "suspect"), enter("c"), enter("d")];
    line.leave(gone);
    expect([suspect, gone, next].map((place) => line.isNext(place, 2))).toEqual([false, false, true]);
    running.leave("finished");
    expect(line.isNext(suspect, 2)).toBe(true);
  });

  it("knows whether somebody else waits: at the door, or for the first event", () => {
    const { line, enter, sit } = lined();
    const mine = sit(enter("a"));
    expect(line.othersWait("a")).toBe(false);
    expect(line.othersWait("b")).toBe(true);
    mine.begin();
    expect(line.othersWait("b")).toBe(false);
    const place = enter("b");
    expect(line.othersWait("a")).toBe(true);
    const other = sit(place);
    expect(line.othersWait("a")).toBe(true);
    other.leave("over");
    expect(line.othersWait("a")).toBe(false);
  });
});
