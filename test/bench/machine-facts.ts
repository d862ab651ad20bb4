import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { packageFiles } from "../../supervisor/host/package-files.ts";
import type { BenchPlaces } from "./servers/places.ts";

/** Under what conditions a run was made. */
export interface MachineFacts {
  readonly date: string;
  readonly revision: string;
  readonly version: string;
  readonly machine: string;
  readonly blas: string;
  readonly software: string;
  /** Load average of the last minute when the run began: above a fraction of one, the machine was not idle. */
  readonly load: number;
}

export function machineFacts({ versions, openBlas }: BenchPlaces): MachineFacts {
  const cores = `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? "unknown processor"}`;
  const memory = `${Math.round(totalmem() / 1e9)} GB`;
  return {
    date: new Date().toISOString().slice(0, 10),
    revision: revision(),
    version: packageFiles().version,
    machine: `${cores}, ${memory}, ${process.platform} ${release()} ${process.arch}`,
    blas: blas(openBlas),
    software: `Node ${process.versions.node}, Python ${versions.python}, mlx ${versions.mlx}, mlx-lm ${versions.mlx_lm}`,
    load: loadavg()[0] ?? 0,
  };
}

function blas(openBlas: string | null): string {
  if (openBlas !== null) return `OpenBLAS preloaded into every Python process (${openBlas}), one thread`;
  return process.platform === "linux"
    ? "the wheel's reference BLAS in every Python process"
    : "the wheel's own";
}

/** Short commit, with a plus sign when files differ from it. */
function revision(): string {
  const git = (...args: string[]) =>
    execFileSync("git", args, {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  try {
    const changed =
      git("status", "--porcelain", "--", "../../supervisor", "../../worker", "../../shared") !== "";
    return git("rev-parse", "--short", "HEAD").trim() + (changed ? "+" : "");
  } catch {
    return "unknown";
  }
}
