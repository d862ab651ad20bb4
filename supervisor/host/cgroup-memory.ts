import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The tightest memory limit over this process. Bytes. */
export interface CgroupMemory {
  readonly version: 1 | 2;
  /** The cgroup whose limit it is, as in `/proc/self/cgroup`. */
  readonly path: string;
  readonly limitBytes: number;
  /** What is left under every limit; where a cgroup's use cannot be read, its limit stands for it. */
  readonly availableBytes: number;
  readonly isUseKnown: boolean;
}

/** One cgroup hierarchy that may limit memory. */
interface Hierarchy {
  readonly version: 1 | 2;
  readonly path: string;
}

const MOUNT = { 1: "sys/fs/cgroup/memory", 2: "sys/fs/cgroup" } as const;
const FILES = {
  1: { limit: "memory.limit_in_bytes", use: "memory.usage_in_bytes", inactive: "total_inactive_file" },
  2: { limit: "memory.max", use: "memory.current", inactive: "inactive_file" },
} as const;

/** Version 1 writes the largest number of whole pages, ≈ 2^63, for no limit. */
const UNLIMITED_BYTES = 2 ** 60;

/**
 * What the cgroups of this process leave, looking at its own and at all above it: a limit of a parent binds too.
 * Page cache that the kernel drops under pressure (inactive_file) is not counted as used. In a container whose cgroup
 * path is that of the host, the levels that are not mounted are passed over and the mount's root is its own cgroup.
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
 * @param totalBytes a limit above the machine's memory is none
 * @returns null: no limit
 */
export async function readCgroupMemory(
  root: string,
  totalBytes: number | null,
): Promise<CgroupMemory | null> {
  const text = await readFile(join(root, "proc/self/cgroup"), "utf8").catch(() => "");
  const levels = parseCgroups(text).flatMap(({ version, path }) =>
    upwards(path).map((level) => readLevel(root, version, level)),
  );
  const limited = (await Promise.all(levels)).filter((level) => level !== null);
  const binding = limited.filter(({ limitBytes }) => limitBytes < (totalBytes ?? UNLIMITED_BYTES));
  const tightest = binding.toSorted((one, other) => one.limitBytes - other.limitBytes)[0];
  if (tightest === undefined) return null;
  return {
    ...tightest,
    availableBytes: Math.min(...binding.map(({ availableBytes }) => availableBytes)),
    isUseKnown: binding.every(({ isUseKnown }) => isUseKnown),
  };
}

/** The memory hierarchies in `/proc/self/cgroup`: `0::/path` is version 2, a line naming `memory` version 1. */
export function parseCgroups(text: string): Hierarchy[] {
  return text.split("\n").flatMap((line): Hierarchy[] => {
    const [, id, controllers, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    if (id === "0" && controllers === "") return [{ version: 2, path }];
    return controllers?.split(",").includes("memory") ? [{ version: 1, path }] : [];
  });
}

/** `/a/b`, `/a`, `/`. */
function upwards(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [path, ...upwards(parent)];
}

async function readLevel(root: string, version: 1 | 2, path: string): Promise<CgroupMemory | null> {
  const read = (file: string) => readFile(join(root, MOUNT[version], path, file), "utf8").catch(() => null);
  const files = FILES[version];
  const limitBytes = parseCount(await read(files.limit));
  if (limitBytes === null) return null;
  const [use, stat] = await Promise.all([read(files.use), read("memory.stat")]);
  const usedBytes = parseCount(use);
  const inactiveBytes = parseInactive(stat ?? "", files.inactive);
  const takenBytes = Math.max(0, (usedBytes ?? 0) - inactiveBytes);
  return {
    version,
    path,
    limitBytes,
    availableBytes: Math.max(0, limitBytes - takenBytes),
    isUseKnown: usedBytes !== null,
  };
}

/** A file of one number; null: unreadable, `max` or no number. */
function parseCount(text: string | null): number | null {
  const digits = /^(\d+)\s*$/.exec(text ?? "")?.[1];
  return digits === undefined ? null : Number(digits);
}

/** 0 where it is not said: less is then counted as available. */
function parseInactive(stat: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
}
