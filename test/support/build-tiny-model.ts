import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { inject } from "vitest";
import { packageFiles } from "../../supervisor/host/package-files.ts";

/** Writes a tiny real model of this architecture to a directory; the same seed gives the same bytes. */
export async function buildTinyModel(arch: string, out: string, ...more: string[]): Promise<string> {
  await promisify(execFile)(
    inject("python"),
    ["-m", "tests.tiny_models", "--arch", arch, "--out", out, ...more],
    { cwd: packageFiles().workerDirectory, env: { ...process.env, MLX_DISABLE_COMPILE: "1" } },
  );
  return out;
}
