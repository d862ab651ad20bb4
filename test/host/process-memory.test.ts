import { expect, it } from "vitest";
import { residentBytes } from "../../supervisor/host/process-memory.ts";

it.runIf(process.platform === "linux")("is what the process itself finds, about", async () => {
  const found = (await residentBytes(process.pid)) ?? 0;
  const own = process.memoryUsage.rss();
  expect(found / own).toBeGreaterThan(0.7);
  expect(found / own).toBeLessThan(1.4);
});

it("is not known of a process that is not there", async () => {
  expect(await residentBytes(999_999_999)).toBeNull();
});
