import { readFile } from "node:fs/promises";

/** Bytes a process has resident; null: not known, which is never taken for 0. Linux only. */
export async function residentBytes(pid: number): Promise<number | null> {
  if (process.platform !== "linux") return null;
  // Not /proc/<pid>/statm: it counts pages, whose size differs between kernels.
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kibibytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  return Number.isSafeInteger(kibibytes) && kibibytes > 0 ? kibibytes * 1024 : null;
}
