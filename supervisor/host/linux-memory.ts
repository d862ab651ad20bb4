import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CgroupMemory, readCgroupMemory } from "./cgroup-memory.ts";
import type { MachineMemory } from "./memory-facts.ts";

/**
 * Memory of a Linux machine: `/proc/meminfo` (proc(5)) and the cgroup of this process, whichever leaves less.
 * MemAvailable is the kernel's own estimate of what can be taken without swapping.
 */
export async function readLinuxMemory(root: string): Promise<MachineMemory> {
  const text = await readFile(join(root, "proc/meminfo"), "utf8").catch(() => "");
  const machine = parseMeminfo(text);
  const cgroup = await readCgroupMemory(root, machine.totalBytes);
  return {
    ...machine,
    availableBytes: smallest([machine.availableBytes, cgroup?.availableBytes]),
    limitBytes: cgroup?.limitBytes ?? null,
    source: describe(machine, cgroup),
  };
}

type Meminfo = Pick<MachineMemory, "totalBytes" | "availableBytes">;

/** MemTotal and MemAvailable of `/proc/meminfo`, in bytes. */
export function parseMeminfo(text: string): Meminfo {
  return { totalBytes: fieldBytes(text, "MemTotal"), availableBytes: fieldBytes(text, "MemAvailable") };
}

function fieldBytes(text: string, name: string): number | null {
  const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

function smallest(values: readonly (number | null | undefined)[]): number | null {
  const known = values.filter((value) => typeof value === "number");
  return known.length === 0 ? null : Math.min(...known);
}

function describe(machine: Meminfo, cgroup: CgroupMemory | null): string {
  const meminfo = machine.totalBytes === null ? "/proc/meminfo is not readable" : "/proc/meminfo";
  if (cgroup === null) return `${meminfo}; no cgroup limit`;
  const limit = `${meminfo}; the limit is that of cgroup v${cgroup.version} ${cgroup.path}`;
  return cgroup.isUseKnown ? limit : `${limit}, whose use is not readable`;
}
