import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { oomKills } from "../../supervisor/host/oom-kills.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

it("reads the kernel's count, and knows when it is not told", async () => {
  const file = join(await temporaryDirectory(), "vmstat");
  await writeFile(file, "nr_free_pages 12\noom_kill 7\ndrop_pagecache 0\n");
  expect(oomKills(file)).toBe(7);
  await writeFile(file, "nr_free_pages 12\n");
  expect(oomKills(file)).toBeNull();
  expect(oomKills(`${file}.missing`)).toBeNull();
});

it.runIf(process.platform === "linux")("is told by this kernel", () => {
  expect(oomKills()).toBeGreaterThanOrEqual(0);
});
