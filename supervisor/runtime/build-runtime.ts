import { rename } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { closeToOthers } from "./close-to-others.ts";
import { explainBuildFailure, PROVING } from "./explain-build-failure.ts";
import { findPython, onPath } from "./find-python.ts";
import { readInstallerLine } from "./installer-lines.ts";
import type { PythonFacts } from "./python-facts.ts";
import { type BuildStep, runBuildStep } from "./run-build-step.ts";
import { RuntimeBuildError } from "./runtime-build-error.ts";
import { pythonOf, writeMarker } from "./runtime-marker.ts";
import { removeTree, stagingDirectoryFor } from "./staging-directory.ts";

/** What a build tells while it runs. */
export type RuntimeProgress =
  | { readonly kind: "waiting"; readonly pid: number }
  | { readonly kind: "step"; readonly step: string }
  | { readonly kind: "package"; readonly name: string }
  | { readonly kind: "done"; readonly seconds: number };

export interface BuildOptions {
  /** Where the complete runtime goes; its directory exists. */
  readonly target: string;
  readonly lockFile: string;
  readonly lockHash: string;
  /** Python statements that prove the runtime, and print a JSON object of versions. */
  readonly proof: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RuntimeProgress) => void;
}

/** Runs one program of this build. */
type Run = (step: string, command: BuildStep["command"], onLine?: (line: string) => void) => Promise<string>;

/** Imports everything a worker needs, so that no first load pays for the byte code. */
export const PROOF = `
import json, platform
from importlib.metadata import version
import mlx.core, mlx_lm, mlx_lm.generate, mlx_lm.utils, transformers
mlx.core.eval(mlx.core.zeros((2, 2)) + 1)
print(json.dumps({"python": platform.python_version(), "mlx": version("mlx"), "mlx_lm": version("mlx-lm")}))
`;

/**
 * Builds aside, proves it by real imports, and renames it into place.
 * @throws RuntimeBuildError; the staging directory is gone then
 */
export async function buildRuntime(options: BuildOptions): Promise<void> {
  const { target, environment, signal, onProgress } = options;
  const started = performance.now();
  const staging = await stagingDirectoryFor(target);
  let python: PythonFacts | null = null;
  try {
    // A removal that an earlier build of this process could not finish.
    await Promise.all([removeTree(staging), removeTree(`${staging}-old`)]);
    const found = await findPython(environment);
    python = found;
    const run: Run = (step, command, onLine = () => {}) => {
      onProgress({ kind: "step", step });
      return runBuildStep({
        step,
        command,
        onLine,
        cwd: dirname(target),
        environment,
        python: found,
        signal,
      });
    };
    await install(run, found, staging, options);
    await prove(run, staging, options);
    // Last of all: the proof writes byte code.
    await closeToOthers(staging);
    await replace(target, staging);
  } catch (error) {
    await removeTree(staging).catch(() => {});
    if (error instanceof RuntimeBuildError) throw error;
    throw explainSystemError("putting it into place", error, python);
  }
  onProgress({ kind: "done", seconds: (performance.now() - started) / 1000 });
}

async function install(run: Run, python: PythonFacts, staging: string, options: BuildOptions): Promise<void> {
  const { lockFile, environment, onProgress } = options;
  const report = (line: string) => {
    const news = readInstallerLine(line);
    if (news !== null) onProgress(news);
  };
  const checked = ["--require-hashes", "--no-deps", "-r", resolve(lockFile)];
  const making = `making a virtual environment with ${python.executable} (${python.version})`;
  const uv = await first(onPath("uv", environment));
  if (uv === null) {
    // In two steps: venv runs ensurepip too, but keeps what it said when it failed to itself.
    await run(making, [python.executable, "-m", "venv", "--without-pip", staging]);
    await run("installing pip into it", [pythonOf(staging), "-m", "ensurepip", "--default-pip"]);
    const quiet = ["--no-input", "--progress-bar", "off"];
    const pip = ["-m", "pip", "install", ...quiet, ...checked];
    await run("installing the packages with pip", [pythonOf(staging), ...pip], report);
    return;
  }
  await run(making, [uv, "venv", "--quiet", "--python", python.executable, staging]);
  const into = ["--compile-bytecode", "--python", pythonOf(staging)];
  await run("installing the packages with uv", [uv, "pip", "install", ...into, ...checked], report);
}

async function prove(run: Run, staging: string, { proof, lockHash }: BuildOptions): Promise<void> {
  // Isolated: only what is installed in the runtime counts.
  const output = await run(PROVING, [pythonOf(staging), "-I", "-c", proof]);
  await writeMarker(staging, lockHash, output.trimEnd().split("\n").at(-1) ?? "");
}

/** What stands at the target is unusable, but it leaves by a rename too: removing takes time and may be interrupted. */
async function replace(target: string, staging: string): Promise<void> {
  const old = `${staging}-old`;
  const stood = await rename(target, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
  await rename(staging, target);
  if (stood) await removeTree(old).catch(() => {});
}

/** Puts an error of the file system into words. */
export function explainSystemError(
  step: string,
  error: unknown,
  python: PythonFacts | null,
): RuntimeBuildError {
  const output = error instanceof Error ? error.message : String(error);
  return explainBuildFailure({ step, output, exitCode: null, signal: null, python });
}

async function first<T>(items: AsyncGenerator<T>): Promise<T | null> {
  for await (const item of items) return item;
  return null;
}
