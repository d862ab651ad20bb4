import { describe, expect, it } from "vitest";
import { RequestSlots } from "../../../supervisor/cluster/model/request-slots.ts";
import { RpcError } from "../../../supervisor/rpc/peer.ts";
import { FakeWorker } from "../../support/fake-worker.ts";

const HOUR = 3_600_000;
const print = (name: string) => () => name;

function withSlots() {
  const clock = { now: 0 };
  const left = { times: 0 };
  const slots = new RequestSlots(
    () => clock.now,
    () => (left.times += 1),
  );
  const { session } = new FakeWorker(1);
  const acquire = (name: string) => slots.acquire(session, print(name));
  return { slots, session, acquire, clock, left };
}

describe("slots without a crash", () => {
  it("are as many as anybody wants, and cost no hashing", () => {
    const { slots, session } = withSlots();
    const never = () => {
      throw new Error("hashed");
    };
    for (let index = 0; index < 100; index++) {
      expect(slots.hasRoom(never, null)).toBe(true);
      expect(slots.acquire(session, never).isSuspect).toBe(false);
    }
    expect(slots.isRefused(never)).toBe(false);
  });

  it("are limited where the caller says so, and free again when left, once", () => {
    const { slots, acquire, left } = withSlots();
    const first = acquire("a");
    expect(slots.hasRoom(print("b"), 1)).toBe(false);
    expect(slots.hasRoom(print("b"), 2)).toBe(true);
    first.release("finished");
    first.release("over");
    expect(left.times).toBe(1);
    expect(slots.hasRoom(print("b"), 1)).toBe(true);
  });
});

describe("a worker that runs out of memory while it prepares", () => {
  /** Two requests on one worker, of which it says that it prepares the second. */
  function preparing() {
    const { slots, session, acquire } = withSlots();
    const innocent = acquire("innocent");
    const bomb = acquire("bomb");
    innocent.sentAs("row 1");
    bomb.sentAs("row 2");
    for (const row of ["row 1", "row 2"]) session.preparing.sent(row);
    session.preparing.begun("row 2");
    return { slots, session, acquire, bomb };
  }

  it("blames the request it prepared, and neither the model nor those beside it", () => {
    const { slots, session, acquire } = preparing();
    expect(slots.noteCrash(session, "footprint")).toBe(false);
    expect(acquire("innocent").isSuspect).toBe(false);
    expect(acquire("bomb").isSuspect).toBe(true);
  });

  it("blames it although its client has left, which ends nothing on the worker", () => {
    const { slots, session, acquire, bomb } = preparing();
    bomb.release("over");
    session.preparing.answered("row 2", new RpcError(-32000, "gone", { code: "request_cancelled" }));
    expect(slots.noteCrash(session, "footprint")).toBe(false);
    expect(acquire("bomb").isSuspect).toBe(true);
  });

  it("blames everybody once it is through with it", () => {
    const { slots, session, acquire } = preparing();
    session.preparing.answered("row 2");
    expect(slots.noteCrash(session, "footprint")).toBe(true);
    expect(acquire("innocent").isSuspect).toBe(true);
  });

  it("is not believed when it names a request that was never sent to it", () => {
    const { session } = withSlots();
    expect(session.preparing.begun("somebody else's")).toBe(false);
    expect(session.preparing.id).toBeNull();
  });
});

describe("after a crash", () => {
  it("everybody on that worker is a suspect, and nobody else", () => {
    const { slots, session, acquire } = withSlots();
    const other = new FakeWorker(2).session;
    acquire("a");
    acquire("b");
    slots.acquire(other, print("elsewhere"));
    expect(slots.noteCrash(session, "native_segv")).toBe(true);
    expect(slots.acquire(other, print("elsewhere")).isSuspect).toBe(false);
    for (const name of ["a", "b"]) expect(acquire(name).isSuspect).toBe(true);
  });

  it("the dead worker's slots are free, and leaving one later does nothing", () => {
    const { slots, session, acquire, left } = withSlots();
    const slot = acquire("a");
    slots.noteCrash(session, "native_segv");
    expect(slots.hasRoom(print("b"), 1)).toBe(true);
    slot.release("finished");
    expect(left.times).toBe(0);
  });

  it("a suspect gets no slot beside others, and others none beside it", () => {
    const { slots, session, acquire } = withSlots();
    acquire("poison");
    slots.noteCrash(session, "native_segv");
    const innocent = acquire("innocent");
    expect(slots.hasRoom(print("poison"), null)).toBe(false);
    expect(slots.hasRoom(print("another innocent"), null)).toBe(true);
    innocent.release("finished");
    expect(slots.hasRoom(print("poison"), null)).toBe(true);
    const suspect = acquire("poison");
    expect(suspect.isSuspect).toBe(true);
    expect(slots.hasRoom(print("innocent"), null)).toBe(false);
    suspect.release("over");
    expect(slots.hasRoom(print("innocent"), null)).toBe(true);
  });

  it("a suspect that ran alone to its end is one no more; one that was cut short still is", () => {
    const { slots, session, acquire } = withSlots();
    acquire("a");
    slots.noteCrash(session, "native_segv");
    acquire("a").release("over");
    const again = acquire("a");
    expect(again.isSuspect).toBe(true);
    again.release("finished");
    expect(acquire("a").isSuspect).toBe(false);
  });

  it("suspicion ends after an hour", () => {
    const { slots, session, acquire, clock } = withSlots();
    acquire("a");
    slots.noteCrash(session, "native_segv");
    clock.now = HOUR - 1;
    expect(slots.hasRoom(print("a"), null)).toBe(true);
    expect(acquire("a").isSuspect).toBe(true);
    clock.now = HOUR;
    expect(acquire("a").isSuspect).toBe(false);
  });
});

describe("the same request at two crashes", () => {
  it("counts once and is refused for an hour, while others are served", () => {
    const { slots, session, acquire, clock } = withSlots();
    acquire("poison");
    acquire("bystander");
    expect(slots.noteCrash(session, "native_segv")).toBe(true);
    expect(slots.isRefused(print("poison"))).toBe(false);
    acquire("poison");
    expect(slots.noteCrash(session, "native_segv")).toBe(false);
    expect(slots.isRefused(print("poison"))).toBe(true);
    expect(slots.isRefused(print("bystander"))).toBe(false);
    expect(slots.isRefused(print("new"))).toBe(false);
    clock.now = HOUR - 1;
    expect(slots.isRefused(print("poison"))).toBe(true);
    clock.now = HOUR;
    expect(slots.isRefused(print("poison"))).toBe(false);
  });

  it("counts twice when ten minutes lie between them", () => {
    const { slots, session, acquire, clock } = withSlots();
    acquire("poison");
    slots.noteCrash(session, "native_segv");
    clock.now = 10 * 60_000;
    acquire("poison");
    expect(slots.noteCrash(session, "native_segv")).toBe(true);
  });
});

it("a worker that was killed from outside makes nobody a suspect", () => {
  const { slots, session, acquire } = withSlots();
  for (let death = 0; death < 3; death++) {
    acquire("a");
    slots.noteCrash(session, "killed_external");
  }
  expect(slots.isRefused(print("a"))).toBe(false);
  expect(acquire("a").isSuspect).toBe(false);
});

it("a crash with nobody on the worker counts", () => {
  const { slots, session } = withSlots();
  expect(slots.noteCrash(session, "native_segv")).toBe(true);
  expect(slots.noteCrash(session, "native_segv")).toBe(true);
});
