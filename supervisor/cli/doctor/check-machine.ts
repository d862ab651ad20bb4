import { cpus, totalmem } from "node:os";
import { descriptorLimit } from "../../host/descriptor-limit.ts";
import { findOpenBlas } from "../../host/find-openblas.ts";
import { connectionLimit } from "../../policy/requests/connection-limit.ts";
import { formatBytes } from "../printable.ts";
import { type DoctorCheck, fail, pass, warn } from "./doctor-check.ts";

const OLDEST_NODE = [22, 18] as const;

/** Even a small model and its worker need this much. */
const LITTLE_MEMORY_BYTES = 2 * 1024 ** 3;

/** A browser and a few programs use some dozens. */
const FEW_CONNECTIONS = 256;

/** `process.versions.node`. */
export function checkNode(version: string): DoctorCheck {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNewEnough = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  if (isNewEnough) return pass("node", version);
  const wanted = OLDEST_NODE.join(".");
  return fail("node", `${version} is older than ${wanted}`, `Install Node ${wanted} or newer.`);
}

/** How many clients may be connected. */
export function checkOpenFiles(wanted: number | null, limit: number | null = descriptorLimit()): DoctorCheck {
  const name = "open files";
  const connections = connectionLimit(limit, wanted);
  const files = limit === null ? "an unknown number" : Number.isFinite(limit) ? `${limit}` : "any number";
  const detail = `${files} at once, room for ${connections} connections`;
  if (connections >= (wanted ?? FEW_CONNECTIONS)) return pass(name, detail);
  return warn(name, detail, "Raise the limit in the shell that starts the service: ulimit -n 4096");
}

/** What models run on. */
export function checkDevice(
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch,
): DoctorCheck {
  const processor = cpus()[0]?.model.trim() || architecture;
  if (platform === "darwin" && architecture === "arm64") return pass("device", `${processor}, GPU (Metal)`);
  if (platform === "linux") return pass("device", `${processor}, ${cpus().length} cores, CPU only`);
  const next =
    platform === "darwin"
      ? "On an Apple silicon Mac use a Node built for arm64, not one under Rosetta."
      : "Run it on an Apple silicon Mac or on Linux.";
  return fail("device", `MLX does not run on ${platform} ${architecture}`, next);
}

/** Null where the question does not arise. */
export function checkOpenBlas(
  isPreloaded: boolean,
  platform: NodeJS.Platform = process.platform,
  found: string | null = findOpenBlas(),
): DoctorCheck | null {
  if (platform !== "linux") return null;
  const slow = "MLX multiplies matrices about ten times slower without it";
  if (found === null) {
    return warn("openblas", `not found; ${slow}`, "Install it: apt-get install libopenblas0-pthread");
  }
  if (isPreloaded) return pass("openblas", `${found}, preloaded into workers`);
  return warn("openblas", `${found}, but preload_openblas is off; ${slow}`, "Set preload_openblas: true.");
}

export function checkMemory(
  totalBytes: number = totalmem(),
  availableBytes: number = process.availableMemory(),
): DoctorCheck {
  const detail = `${formatBytes(availableBytes)} available of ${formatBytes(totalBytes)}`;
  if (availableBytes >= LITTLE_MEMORY_BYTES) return pass("memory", detail);
  return warn("memory", detail, "Close other programs, or unload models you do not need.");
}
