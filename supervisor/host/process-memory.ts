import { readFile } from "node:fs/promises";

/** Bytes of a page, as `/proc/<pid>/statm` counts them; all systems this runs on use this size. */
const PAGE_BYTES = 4096;

/** Bytes a process has resident; null: not known, which is never taken for 0. Linux only. */
export async function residentBytes(pid: number): Promise<number | null> {
  if (process.platform !== "linux") return null;
  const statm = await readFile(`/proc/${pid}/statm`, "utf8").catch(() => null);
  const pages = Number(statm?.split(" ")[1]);
  return Number.isSafeInteger(pages) && pages > 0 ? pages * PAGE_BYTES : null;
}
