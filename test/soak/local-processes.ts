import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";

/** Does this machine tell about its processes in /proc? */
export const HAS_PROC = existsSync("/proc/self/fd");

/** The parent of a process; null when there is no such process. */
export async function parentOf(pid: number): Promise<number | null> {
  if (HAS_PROC) return parentInProc(pid);
  const answer = await promisify(execFile)("ps", ["-o", "ppid=", "-p", String(pid)]).catch(() => null);
  return answer === null ? null : Number(answer.stdout);
}

/** Pids of the children; none where /proc is missing. */
export function childrenOf(pid: number): number[] {
  if (!HAS_PROC) return [];
  return readdirSync("/proc")
    .map(Number)
    .filter((child) => child > 0 && parentInProc(child) === pid);
}

/** The value of a variable a process was started with; null when it cannot be read. */
export function environmentOf(pid: number, name: string): string | null {
  const prefix = `${name}=`;
  const found = read(pid, "environ")
    .split("\0")
    .find((entry) => entry.startsWith(prefix));
  return found?.slice(prefix.length) ?? null;
}

function parentInProc(pid: number): number | null {
  const stat = read(pid, "stat");
  // The name, in brackets, may hold anything.
  const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
  return parent === undefined ? null : Number(parent);
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
