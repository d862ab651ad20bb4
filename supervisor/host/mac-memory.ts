import type { MachineMemory } from "./memory-facts.ts";
import { type RunText, runText } from "./run-text.ts";

const MEBIBYTE = 1024 ** 2;
const GIBIBYTE = 1024 ** 3;

/** From this much memory on, the GPU may wire a larger part of it by default. */
const LARGE_MEMORY_BYTES = 36 * GIBIBYTE;

/**
 * Memory of a Mac. The limit is what the GPU may keep wired: `iogpu.wired_limit_mb` where it is set, else the system's
 * default, which mlx reports as `max_recommended_working_set_size` (Metal's `recommendedMaxWorkingSetSize`). Over it
 * Metal fails allocations and the machine starts to swap.
 * @see https://ml-explore.github.io/mlx/build/html/python/_autosummary/mlx.core.set_wired_limit.html
 */
export async function readMacMemory(run: RunText = runText): Promise<MachineMemory> {
  // An unknown name makes sysctl fail, after it has printed the others: hw.memsize comes first and always exists.
  const [sizes, pages] = await Promise.all([
    run("sysctl", ["-n", "hw.memsize", "iogpu.wired_limit_mb"]),
    run("vm_stat", []),
  ]);
  const { totalBytes, wiredLimitBytes } = parseSysctl(sizes ?? "");
  const limitBytes = wiredLimitBytes ?? (totalBytes === null ? null : defaultWiredLimit(totalBytes));
  const limit = wiredLimitBytes === null ? "the default GPU limit for this size" : "iogpu.wired_limit_mb";
  const availableBytes = parseVmStat(pages ?? "");
  return {
    totalBytes,
    availableBytes,
    limitBytes,
    source: [
      totalBytes === null ? "sysctl gave no memory size" : "hw.memsize",
      availableBytes === null ? "vm_stat is not readable" : "vm_stat",
      limitBytes === null ? "no GPU limit" : `the limit is ${limit}`,
    ].join("; "),
  };
}

/** What `sysctl -n hw.memsize iogpu.wired_limit_mb` prints: bytes, then MiB, where 0 means the default. */
export function parseSysctl(text: string): { totalBytes: number | null; wiredLimitBytes: number | null } {
  const [memory, wired] = text.split("\n").map((line) => (/^\d+$/.test(line) ? Number(line) : 0));
  return {
    totalBytes: memory ? memory : null,
    wiredLimitBytes: wired ? wired * MEBIBYTE : null,
  };
}

/**
 * The GPU's default limit. Apple documents no formula; measured: 10.67 of 16 GiB, 21.3 of 32 (two thirds), 27 of 36,
 * 48 of 64 (three quarters). Recent systems allow 107.5 of 128; less is assumed here, `memory.limit_bytes` says otherwise.
 */
export function defaultWiredLimit(totalBytes: number): number {
  return Math.floor(totalBytes * (totalBytes < LARGE_MEMORY_BYTES ? 2 / 3 : 3 / 4));
}

/** Pages that can be had without swapping: unused, or holding what can be read or made again. */
const AVAILABLE_PAGES = ["Pages free", "Pages inactive", "Pages speculative", "Pages purgeable"];

/** Available bytes in what `vm_stat` prints; null: not its format. The page size is in the first line (16 or 4 KiB). */
export function parseVmStat(text: string): number | null {
  const pageBytes = Number(/page size of (\d+) bytes/.exec(text)?.[1] ?? 0);
  const pages = AVAILABLE_PAGES.map((name) => new RegExp(`^${name}:\\s+(\\d+)\\.$`, "m").exec(text)?.[1]);
  if (pageBytes === 0 || pages[0] === undefined) return null;
  return pages.reduce((sum, count) => sum + Number(count ?? 0), 0) * pageBytes;
}
