import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SERVICE_START_DEFAULTS, type ServiceStart } from "../../supervisor/policy/service/service-start.ts";
import { ServiceMode } from "../../supervisor/service/service-mode.ts";
import { openStartJournal, type StartJournal } from "../../supervisor/store/start-journal.ts";
import { storeFixture } from "../store/store-fixture.ts";

const MINUTE = 60_000;
const log = pino({ level: "silent" });

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
afterEach(() => void vi.useRealTimers());

/** A service that is started again and again over one journal. */
async function service() {
  const { open } = await storeFixture(openStartJournal);
  const left = { times: 0 };
  const start = async () => {
    const journal = await open();
    const mode = await ServiceMode.begin({
      journal,
      bootId: "boot",
      numbers: SERVICE_START_DEFAULTS,
      onLeft: () => (left.times += 1),
      log,
    });
    const crash = () => vi.clearAllTimers();
    return { mode, journal, crash, row: () => journal.starts().at(-1) as ServiceStart };
  };
  const crashes = async (times: number, everyMs = MINUTE) => {
    for (let time = 0; time < times; time++) {
      (await start()).crash();
      vi.setSystemTime(Date.now() + everyMs);
    }
  };
  return { start, crashes, left };
}

const elapse = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** Lets the disk work until this is so; its time is no timer's. */
async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + 5_000; !isSo() && performance.now() < end; )
    await new Promise((resolve) => setImmediate(resolve));
  expect(isSo()).toBe(true);
}

/** Whether this mark is on the disk by now. */
function noted(journal: StartJournal, name: "markSteady"): () => boolean {
  const mark = journal[name];
  let done = false;
  journal[name] = async (at) => {
    await mark(at);
    done = true;
  };
  return () => done;
}

describe("a service that starts", () => {
  it("runs normally at first, and has written the start down when it begins", async () => {
    const { start } = await service();
    const { mode, row } = await start();
    expect(mode.safeMode).toBeNull();
    expect(row()).toMatchObject({
      bootId: "boot",
      pid: process.pid,
      mode: "normal",
      steadyAt: null,
      leftSafeModeAt: null,
      stoppedAt: null,
    });
    expect(await mode.leave()).toBe(false);
  });

  it("is in safe mode at the start after three crashes, not before", async () => {
    const { start, crashes } = await service();
    await crashes(2);
    const third = await start();
    expect(third.mode.safeMode).toBeNull();
    third.crash();
    const { mode, row } = await start();
    expect(mode.safeMode).toContain("3 starts ended without an orderly stop");
    expect(row().mode).toBe("safe-mode");
  });

  it("runs normally when one of them was stopped in an orderly way", async () => {
    const { start, crashes } = await service();
    await crashes(2);
    await (await start()).mode.stopped();
    await crashes(1);
    expect((await start()).mode.safeMode).toBeNull();
  });

  it("that stayed up ten minutes does not count, however it ended", async () => {
    const { start, crashes } = await service();
    await crashes(2);
    const steady = await start();
    const written = noted(steady.journal, "markSteady");
    await elapse(10 * MINUTE);
    await until(written);
    steady.crash();
    expect((await start()).mode.safeMode).toBeNull();
  });
});

describe("safe mode", () => {
  it("is left by an operator's word, once, and models may be loaded then", async () => {
    const { start, crashes, left } = await service();
    await crashes(3);
    const { mode, row } = await start();
    const answers = await Promise.all([mode.leave(), mode.leave()]);
    expect(answers.toSorted()).toEqual([false, true]);
    expect(mode.safeMode).toBeNull();
    expect(left.times).toBe(1);
    expect(row().leftSafeModeAt).not.toBeNull();
  });

  it("is written down as left before models are loaded, which may crash it again", async () => {
    const { start, crashes, left } = await service();
    await crashes(3);
    const { mode, journal, row } = await start();
    const held = Promise.withResolvers<void>();
    const mark = journal.markLeftSafeMode;
    journal.markLeftSafeMode = async (at) => {
      await held.promise;
      await mark(at);
    };
    const leaving = mode.leave();
    await elapse(0);
    expect(left.times).toBe(0);
    held.resolve();
    await leaving;
    expect(row().leftSafeModeAt).not.toBeNull();
    expect(left.times).toBe(1);
  });

  it("ends by itself after ten steady minutes", async () => {
    const { start, crashes, left } = await service();
    await crashes(3);
    const { mode, row } = await start();
    await elapse(10 * MINUTE - 1);
    expect(mode.safeMode).not.toBeNull();
    await elapse(1);
    await until(() => left.times > 0);
    expect(mode.safeMode).toBeNull();
    expect(left.times).toBe(1);
    expect(row()).toMatchObject({ steadyAt: expect.any(Number), leftSafeModeAt: expect.any(Number) });
  });

  it("is one crash away afterwards", async () => {
    const { start, crashes, left } = await service();
    await crashes(3);
    const safe = await start();
    await elapse(10 * MINUTE);
    await until(() => left.times > 0);
    safe.crash();
    expect((await start()).mode.safeMode).not.toBeNull();
  });

  it("is not ended by a timer after the service has stopped", async () => {
    const { start, crashes, left } = await service();
    await crashes(3);
    const { mode, row } = await start();
    await mode.stopped();
    await elapse(60 * MINUTE);
    expect(left.times).toBe(0);
    expect(row()).toMatchObject({ stoppedAt: expect.any(Number), steadyAt: null, leftSafeModeAt: null });
  });

  it("is not left any more once the service stops, even when the ten minutes end just then", async () => {
    const { start, crashes, left } = await service();
    await crashes(3);
    const { mode, journal } = await start();
    const held = Promise.withResolvers<void>();
    journal.markSteady = () => held.promise;
    journal.markLeftSafeMode = async () => {};
    await elapse(10 * MINUTE);
    await mode.stopped();
    held.resolve();
    await elapse(0);
    expect(left.times).toBe(0);
  });
});
