import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { type BootIdSources, readBootId } from "../../supervisor/host/boot-id.ts";

const PROC = "2b0f9c1e-6f9c-4a3b-9d63-5d2f1f4f7a10\n";
const SYSCTL = "7C1D9A52-3C1B-4F6E-8E0A-0B1C2D3E4F50\n";

const saying = (proc: string | null, sysctl: string | null): BootIdSources => ({
  readProc: async () => proc,
  runSysctl: async () => sysctl,
});

it("is read from each system's own place, in one spelling", async () => {
  expect(await readBootId("linux", saying(PROC, SYSCTL))).toBe("2b0f9c1e-6f9c-4a3b-9d63-5d2f1f4f7a10");
  expect(await readBootId("darwin", saying(PROC, SYSCTL))).toBe("7c1d9a52-3c1b-4f6e-8e0a-0b1c2d3e4f50");
});

it.each([
  ["a system that does not tell", "linux", null],
  ["an empty answer", "linux", ""],
  ["an answer that is no id", "linux", "unknown oid 'kern.bootsessionuuid'"],
  ["any other system", "freebsd", PROC],
] as const)("is unknown on %s", async (_name, platform, text) => {
  expect(await readBootId(platform, saying(text, text))).toBeNull();
});

it.runIf(process.platform === "linux")("is this machine's, and the same twice", async () => {
  const own = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  expect([await readBootId(), await readBootId()]).toEqual([own, own]);
});
