import { expect, it } from "vitest";
import { decideStart, type StartMode } from "../../supervisor/policy/service/service-start.ts";
import { openStartJournal } from "../../supervisor/store/start-journal.ts";
import { storeFixture } from "./store-fixture.ts";

const MINUTE = 60_000;
const fixture = () => storeFixture(openStartJournal);
const start = (startedAt: number, mode: StartMode = "normal") => ({
  startedAt,
  bootId: "boot-1",
  pid: 7,
  mode,
});
const unmarked = { steadyAt: null, leftSafeModeAt: null, stoppedAt: null };

it("remembers how each start ended", async () => {
  const { open } = await fixture();
  const first = await open();
  await first.begin(start(1));
  await first.markSteady(2);
  await first.markStopped(3);
  const second = await open();
  await second.begin(start(4, "safe-mode"));
  await second.markLeftSafeMode(5);
  expect((await open()).starts()).toEqual([
    { ...start(1), ...unmarked, steadyAt: 2, stoppedAt: 3 },
    { ...start(4, "safe-mode"), ...unmarked, leftSafeModeAt: 5 },
  ]);
});

it("never marks a start of another process", async () => {
  const { open } = await fixture();
  await (await open()).begin(start(1));
  const other = await open();
  await other.markStopped(9);
  expect(other.starts()).toEqual([{ ...start(1), ...unmarked }]);
});

it("sends the fourth start into safe mode after three that were killed", async () => {
  const { open } = await fixture();
  const modes: StartMode[] = [];
  for (let now = 0; now < 20 * MINUTE; now += 5 * MINUTE) {
    const journal = await open();
    const { mode } = decideStart(journal.starts(), { now, bootId: "boot-1" });
    await journal.begin(start(now, mode));
    modes.push(mode);
  }
  expect(modes).toEqual(["normal", "normal", "normal", "safe-mode"]);
});

it("keeps the newest fifty", async () => {
  const { open } = await fixture();
  const journal = await open();
  for (let at = 0; at < 60; at++) void journal.begin(start(at));
  await journal.close();
  expect((await open()).starts().map(({ startedAt }) => startedAt)).toEqual(
    Array.from({ length: 50 }, (_, index) => index + 10),
  );
});
