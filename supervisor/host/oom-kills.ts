import { readFileSync } from "node:fs";

/**
 * How many processes the kernel has killed for want of memory since the machine started, those of a cgroup with a limit
 * included; null: it does not tell. Linux only.
 * @param vmstat where the kernel counts (`oom_kill`, counted before the signal is sent)
 */
export function oomKills(vmstat = "/proc/vmstat"): number | null {
  try {
    // A few kilobytes from the kernel's memory: reading it later, when others may have been killed, would tell less.
    const found = /^oom_kill (\d+)$/m.exec(readFileSync(vmstat, "utf8"))?.[1];
    return found === undefined ? null : Number(found);
  } catch {
    return null;
  }
}
