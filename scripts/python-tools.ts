import { join } from "node:path";
import { loadConfig } from "../supervisor/config/load-config.ts";
import { packageFiles } from "../supervisor/host/package-files.ts";
import { ensureRuntime } from "../supervisor/runtime/ensure-runtime.ts";
import { RuntimeBuildError } from "../supervisor/runtime/runtime-build-error.ts";
import { showRuntimeProgress } from "../supervisor/runtime/show-runtime-progress.ts";

/** sysexits.h: something this needs is missing. */
const EX_UNAVAILABLE = 69;

/** Proves the small environment that holds pytest and ruff, and says where its packages are. */
const TOOLS_PROOF = `
import json, platform
import pytest, ruff
print(json.dumps({"python": platform.python_version(), "mlx": "", "mlx_lm": ""}))
`;

export interface PythonTools {
  /** Interpreter of the worker's runtime. */
  readonly python: string;
  /** Environment for it in which the tools can be imported as well. */
  readonly environment: NodeJS.ProcessEnv;
  readonly ruff: string;
}

/**
 * Builds what the Python checks need on first use: the worker's runtime, and beside it pytest and ruff. When it cannot,
 * it says why and ends the process.
 */
export async function pythonTools(): Promise<PythonTools> {
  try {
    return await buildTools();
  } catch (error) {
    if (!(error instanceof RuntimeBuildError)) throw error;
    console.error(`${error.message}\n${error.nextStep}`);
    process.exit(EX_UNAVAILABLE);
  }
}

async function buildTools(): Promise<PythonTools> {
  const { requirementsLock, workerDirectory } = packageFiles();
  const { runtimesDirectory } = loadConfig().paths;
  // Tests with state directories of their own share this runtime.
  process.env.OPTA_LMX_RUNTIMES = runtimesDirectory;
  const onProgress = showRuntimeProgress(process.stderr);
  const runtime = await ensureRuntime({ runtimesDirectory, lockFile: requirementsLock, onProgress });
  const tools = await ensureRuntime({
    runtimesDirectory,
    lockFile: join(workerDirectory, "requirements-dev.lock"),
    proof: TOOLS_PROOF,
    onProgress,
  });
  const minor = tools.versions.python.split(".").slice(0, 2).join(".");
  const packages = join(tools.directory, "lib", `python${minor}`, "site-packages");
  return {
    python: runtime.python,
    environment: { ...process.env, PYTHONPATH: packages, MLX_DISABLE_COMPILE: "1" },
    ruff: join(tools.directory, "bin", "ruff"),
  };
}
