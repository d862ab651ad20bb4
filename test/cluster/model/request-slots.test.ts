import { describe, expect, it } from "vitest";
import { RequestSeats } from "../../../supervisor/cluster/model/request-slots.ts";
import { RpcError } from "../../../supervisor/rpc/peer.ts";
import { FakeWorker } from "../../support/fake-worker.ts";

const HOUR = 3_600_000;
const print = (name: string) => () => name;

function seated() {
  const clock = { now: 0 };
  const left = { times: 0 };
  const seats = new RequestSeats(
    () => clock.now,
    () => (left.times += 1),
  );
  const { session } = new FakeWorker(1);
  const sit = (name: string) => seats.take(session, print(name));
  return { seats, session, sit, clock, left };
}

describe("seats without a crash", () => {
  it("are as many as anybody wants, and cost no hashing", () => {
    const { seats, session } = seated();
    const never = () => {
      throw new Error("hashed");
    };
    for (let index = 0; index < 100; index++) {
      expect(seats.hasRoom(never, null)).toBe(true);
      expect(seats.take(session, never).isSuspect).toBe(false);
    }
    expect(seats.isRefused(never)).toBe(false);
  });

  it("are limited where the caller says so, and free again when left, once", () => {
    const { seats, sit, left } = seated();
    const first = sit("a");
    expect(seats.hasRoom(print("b"), 1)).toBe(false);
    expect(seats.hasRoom(print("b"), 2)).toBe(true);
    first.leave("finished");
    first.leave("over");
    expect(left.times).toBe(1);
    expect(seats.hasRoom(print("b"), 1)).toBe(true);
  });
});

describe("a worker that runs out of memory while it prepares", () => {
  /** Two requests on one worker, of which it says that it prepares the second. */
  function preparing() {
    const { seats, session, sit } = seated();
    const innocent = sit("innocent");
    const bomb = sit("bomb");
    innocent.sentAs("row 1");
    bomb.sentAs("row 2");
    for (const row of ["row 1", "row 2"]) session.preparing.sent(row);
    session.preparing.begun("row 2");
    return { seats, session, sit, bomb };
  }

  it("blames the request it prepared, and neither the model nor those beside it", () => {
    const { seats, session, sit } = preparing();
    expect(seats.noteCrash(session, "footprint")).toBe(false);
    expect(sit("innocent").isSuspect).toBe(false);
    expect(sit("bomb").isSuspect).toBe(true);
  });

  it("blames it although its client has left, which ends nothing on the worker", () => {
    const { seats, session, sit, bomb } = preparing();
    bomb.leave("over");
    session.preparing.answered("row 2", new RpcError(-32000, "gone", { code: "request_cancelled" }));
    expect(seats.noteCrash(session, "footprint")).toBe(false);
    expect(sit("bomb").isSuspect).toBe(true);
  });

  it("blames everybody once it is through with it", () => {
    const { seats, session, sit } = preparing();
    session.preparing.answered("row 2");
    expect(seats.noteCrash(session, "footprint")).toBe(true);
    expect(sit("innocent").isSuspect).toBe(true);
  });

  it("is not believed when it names a request that was never sent to it", () => {
    const { session } = seated();
    expect(session.preparing.begun("somebody else's")).toBe(false);
    expect(session.preparing.id).toBeNull();
  });
});

describe("after a crash", () => {
  it("everybody on that worker is a suspect, and nobody else", () => {
    const { seats, session, sit } = seated();
    const other = new FakeWorker(2).session;
    sit("a");
    sit("b");
    seats.take(other, print("elsewhere"));
    expect(seats.noteCrash(session, "native_segv")).toBe(true);
    expect(seats.take(other, print("elsewhere")).isSuspect).toBe(false);
    for (const name of ["a", "b"]) expect(sit(name).isSuspect).toBe(true);
  });

  it("the dead worker's seats are free, and leaving one later does nothing", () => {
    const { seats, session, sit, left } = seated();
    const seat = sit("a");
    seats.noteCrash(session, "native_segv");
    expect(seats.hasRoom(print("b"), 1)).toBe(true);
    seat.leave("finished");
    expect(left.times).toBe(0);
  });

  it("a suspect gets no seat beside others, and others none beside it", () => {
    const { seats, session, sit } = seated();
    sit("poison");
    seats.noteCrash(session, "native_segv");
    const innocent = sit("innocent");
    expect(seats.hasRoom(print("poison"), null)).toBe(false);
    expect(seats.hasRoom(print("another innocent"), null)).toBe(true);
    innocent.leave("finished");
    expect(seats.hasRoom(print("poison"), null)).toBe(true);
    const suspect = sit("poison");
    expect(suspect.isSuspect).toBe(true);
    expect(seats.hasRoom(print("innocent"), null)).toBe(false);
    suspect.leave("over");
    expect(seats.hasRoom(print("innocent"), null)).toBe(true);
  });

  it("a suspect that ran alone to its end is one no more; one that was cut short still is", () => {
    const { seats, session, sit } = seated();
    sit("a");
    seats.noteCrash(session, "native_segv");
    sit("a").leave("over");
    const again = sit("a");
    expect(again.isSuspect).toBe(true);
    again.leave("finished");
    expect(sit("a").isSuspect).toBe(false);
  });

  it("suspicion ends after an hour", () => {
    const { seats, session, sit, clock } = seated();
    sit("a");
    seats.noteCrash(session, "native_segv");
    clock.now = HOUR - 1;
    expect(seats.hasRoom(print("a"), null)).toBe(true);
    expect(sit("a").isSuspect).toBe(true);
    clock.now = HOUR;
    expect(sit("a").isSuspect).toBe(false);
  });
});

describe("the same request at two crashes", () => {
  it("counts once and is refused for an hour, while others are served", () => {
    const { seats, session, sit, clock } = seated();
    sit("poison");
    sit("bystander");
    expect(seats.noteCrash(session, "native_segv")).toBe(true);
    expect(seats.isRefused(print("poison"))).toBe(false);
    sit("poison");
    expect(seats.noteCrash(session, "native_segv")).toBe(false);
    expect(seats.isRefused(print("poison"))).toBe(true);
    expect(seats.isRefused(print("bystander"))).toBe(false);
    expect(seats.isRefused(print("new"))).toBe(false);
    clock.now = HOUR - 1;
    expect(seats.isRefused(print("poison"))).toBe(true);
    clock.now = HOUR;
    expect(seats.isRefused(print("poison"))).toBe(false);
  });

  it("counts twice when ten minutes lie between them", () => {
    const { seats, session, sit, clock } = seated();
    sit("poison");
    seats.noteCrash(session, "native_segv");
    clock.now = 10 * 60_000;
    sit("poison");
    expect(seats.noteCrash(session, "native_segv")).toBe(true);
  });
});

it("a worker that was killed from outside makes nobody a suspect", () => {
  const { seats, session, sit } = seated();
  for (let death = 0; death < 3; death++) {
    sit("a");
    seats.noteCrash(session, "killed_external");
  }
  expect(seats.isRefused(print("a"))).toBe(false);
  expect(sit("a").isSuspect).toBe(false);
});

it("a crash with nobody on the worker counts", () => {
  const { seats, session } = seated();
  expect(seats.noteCrash(session, "native_segv")).toBe(true);
  expect(seats.noteCrash(session, "native_segv")).toBe(true);
});
