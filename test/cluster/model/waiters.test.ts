import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Waiters } from "../../../supervisor/cluster/model/waiters.ts";

const never = new AbortController().signal;
const FOREVER = Number.POSITIVE_INFINITY;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const waiters = () => new Waiters(() => Date.now());

/** What has become of a promise by now. */
async function fate(promise: Promise<unknown>): Promise<string> {
  let fate = "waits";
  promise.then(
    () => (fate = "woken"),
    () => (fate = "rejected"),
  );
  await vi.advanceTimersByTimeAsync(0);
  return fate;
}

describe("whoever waits for a change", () => {
  it("is woken by it, with everybody else", async () => {
    const all = waiters();
    const waiting = [all.changed(FOREVER, never), all.changed(Date.now() + 1_000, never)];
    expect(all.size).toBe(2);
    for (const one of waiting) expect(await fate(one)).toBe("waits");
    all.wakeAll();
    await Promise.all(waiting);
    expect(all.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is woken at the deadline and not before", async () => {
    const all = waiters();
    const waiting = all.changed(Date.now() + 1_000, never);
    await vi.advanceTimersByTimeAsync(999);
    expect(await fate(waiting)).toBe("waits");
    await vi.advanceTimersByTimeAsync(1);
    expect(await fate(waiting)).toBe("woken");
    expect(all.size).toBe(0);
  });

  it("is woken soon when the deadline has passed, and never without one", async () => {
    const all = waiters();
    expect(await fate(all.changed(Date.now() - 1, never))).toBe("woken");
    const waiting = all.changed(FOREVER, never);
    await vi.advanceTimersByTimeAsync(86_400_000 * 30);
    expect(await fate(waiting)).toBe("waits");
  });

  it("throws the signal's reason as soon as it aborts, and waits no more", async () => {
    const all = waiters();
    const abort = new AbortController();
    const waiting = all.changed(Date.now() + 1_000, abort.signal);
    abort.abort(new Error("the client left"));
    await expect(waiting).rejects.toThrow("the client left");
    expect(all.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("throws the reason of a signal that had aborted before", async () => {
    const waiting = waiters().changed(FOREVER, AbortSignal.abort(new Error("gone already")));
    waiting.catch(() => {});
    expect(await fate(waiting)).toBe("rejected");
  });

  it("may wait again from within the waking, for the next change", async () => {
    const all = waiters();
    let wakes = 0;
    const keepWaiting = async () => {
      for (;;) {
        await all.changed(FOREVER, never);
        wakes += 1;
      }
    };
    void keepWaiting();
    all.wakeAll();
    await vi.advanceTimersByTimeAsync(0);
    expect(wakes).toBe(1);
    all.wakeAll();
    await vi.advanceTimersByTimeAsync(0);
    expect(wakes).toBe(2);
  });
});
