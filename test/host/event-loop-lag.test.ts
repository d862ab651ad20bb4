import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { EventLoopLag } from "../../supervisor/host/event-loop-lag.ts";

it("sees an event loop that was kept busy", async () => {
  const lag = new EventLoopLag();
  // The first timer has to be set.
  await wait(50);
  const until = performance.now() + 300;
  while (performance.now() < until);
  await wait(50);
  expect(lag.p99Ms).toBeGreaterThan(200);
  lag.stop();
});
