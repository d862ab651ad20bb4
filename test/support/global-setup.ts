import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { loadConfig } from "../../supervisor/config/load-config.ts";
import { packageFiles } from "../../supervisor/host/package-files.ts";
import { ensureRuntime } from "../../supervisor/runtime/ensure-runtime.ts";
import { showRuntimeProgress } from "../../supervisor/runtime/show-runtime-progress.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly python: string;
    readonly tinyModels: { readonly endless: string; readonly endlessTwin: string };
  }
}

/** Builds the Python runtime, once and shared, and the tiny models every end-to-end test uses. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { workerDirectory, requirementsLock } = packageFiles();
  // One runtime for all tests, although each has a state directory of its own.
  process.env.OPTA_LMX_RUNTIMES ??= loadConfig().paths.runtimesDirectory;
  const { python } = await ensureRuntime({
    runtimesDirectory: process.env.OPTA_LMX_RUNTIMES,
    lockFile: requirementsLock,
    onProgress: showRuntimeProgress(process.stderr),
  });
  const directory = await mkdtemp(join(tmpdir(), "lmx-tiny-"));
  const build = async (name: string, seed: number) => {
    const out = join(directory, name);
    const args = [
      "-m",
      "tests.tiny_models",
      "--arch",
      "llama",
      "--out",
      out,
      "--seed",
      String(seed),
      "--endless",
    ];
    await promisify(execFile)(python, args, {
      cwd: workerDirectory,
      env: { ...process.env, MLX_DISABLE_COMPILE: "1" },
    });
    return out;
  };
  project.provide("python", python);
  project.provide("tinyModels", {
    endless: await build("endless", 1),
    endlessTwin: await build("endless-twin", 2),
  });
  return () => rm(directory, { recursive: true, force: true });
}
