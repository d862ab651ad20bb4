import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

/** What /proc tells about one process; Linux only. */
interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  /** A zombie is `Z`, a stopped process `T`. */
  readonly state: string;
}

/** A file of /proc, or nothing when the process has gone meanwhile. */
function read(pid: number | string, name: string): string {
  try {
    return readFileSync(join("/proc", String(pid), name), "utf8");
  } catch {
    return "";
  }
}

function factsOf(pid: number): ProcessFacts | null {
  const stat = read(pid, "stat");
  // The name, in brackets, may hold anything.
  const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === undefined || parent === undefined ? null : { pid, parent: Number(parent), state };
}

function allPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/**
 * Every living process that was started as a worker of this state directory, whoever its parent is now, and every one that
 * a worker had started and left behind. What a living worker has started belongs to it.
 */
export function workersOf(home: string): number[] {
  const living = allPids().filter(
    (pid) => read(pid, "environ").includes(`TMPDIR=${join(home, "tmp")}/`) && factsOf(pid)?.state !== "Z",
  );
  return living.filter((pid) => !living.includes(factsOf(pid)?.parent ?? 0));
}

/** Children that have ended and that nobody has waited for. */
export function zombiesOf(pid: number): number[] {
  return allPids().filter((child) => {
    const facts = factsOf(child);
    return facts?.parent === pid && facts.state === "Z";
  });
}

/** Whether this process was sent the signal and has not taken it yet; a stopped one takes none but SIGKILL. */
export function isPending(pid: number, signal: "SIGTERM"): boolean {
  const mask = /ShdPnd:\s+([0-9a-f]+)/.exec(read(pid, "status"))?.[1] ?? "0";
  return (BigInt(`0x${mask}`) & (1n << BigInt(constants.signals[signal] - 1))) !== 0n;
}

/** Open file descriptors. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      readlinkSync(`/proc/${pid}/fd/${fd}`);
      return true;
    } catch {
      return false;
    }
  }).length;
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(read(pid, "status"))?.[1] ?? 0) * 1024;
}

/** The most that was resident since the process started or `forgetPeak`, bytes. */
export function peakResidentBytes(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(read(pid, "status"))?.[1] ?? 0) * 1024;
}

/** From now on `peakResidentBytes` counts anew. */
export function forgetPeak(pid: number): void {
  writeFileSync(join("/proc", String(pid), "clear_refs"), "5");
}

/** Address space in bytes. */
export function addressSpaceBytes(pid: number): number {
  return Number(/VmSize:\s+(\d+)/.exec(read(pid, "status"))?.[1] ?? 0) * 1024;
}
