import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const PS_TIMEOUT_MS = 5_000;

/**
 * When a process began, as text that is only ever compared: a pid is reused, a pid with its start time is not.
 * Linux: boot id and clock ticks since boot (field 22 of /proc/<pid>/stat); elsewhere what `ps -o lstart=` prints.
 * Null: no such process, or a zombie, which runs no more.
 * @throws Error when `ps` does not say, which on a machine that swaps takes long: not knowing is no sign of death
 */
export function processStartTime(
  pid: number,
  platform: NodeJS.Platform = process.platform,
): Promise<string | null> {
  return platform === "linux" ? fromProc(pid) : fromPs(pid);
}

async function fromProc(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  // The second field is the command in parentheses and may hold spaces and parentheses itself.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields?.[0];
  const ticks = fields?.[19];
  if (ticks === undefined || state === "Z" || state === "X") return null;
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${boot.trim()}/${ticks}`;
}

async function fromPs(pid: number): Promise<string | null> {
  const options = { timeout: PS_TIMEOUT_MS, env: { PATH: "/bin:/usr/bin", LC_ALL: "C", TZ: "UTC" } };
  const printed = await promisify(execFile)("ps", ["-o", "state=,lstart=", "-p", String(pid)], options).then(
    ({ stdout }) => stdout,
    (failed: { code?: unknown; message: string }) => {
      // POSIX: 1 when no process was selected.
      if (failed.code === 1) return "";
      throw new Error(`ps does not say whether process ${pid} runs: ${failed.message}`);
    },
  );
  const [state, ...started] = printed.trim().split(/\s+/);
  return state === undefined || state.startsWith("Z") || started.length === 0 ? null : started.join(" ");
}
