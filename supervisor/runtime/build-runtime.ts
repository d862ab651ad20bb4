import { rename, rm } from "node:fs/promises";
import { execa } from "execa";
import { explainBuildFailure } from "./explain-build-failure.ts";
import { findPython } from "./find-python.ts";
import { RuntimeBuildError } from "./runtime-build-error.ts";
import { pythonOf, writeMarker } from "./runtime-marker.ts";

/** What a build tells while it runs. */
export type RuntimeProgress =
  | { readonly kind: "waiting"; readonly pid: number }
  | { readonly kind: "step"; readonly step: string }
  | { readonly kind: "package"; readonly name: string }
  | { readonly kind: "done"; readonly seconds: number };

export interface BuildOptions {
  /** Where the complete runtime goes. */
  readonly target: string;
  /** Where it is built; renamed to `target` when it is proven. */
  readonly workshop: string;
  readonly lockFile: string;
  readonly lockHash: string;
  /** Python statements that prove the runtime, and print a JSON object of versions. */
  readonly proof: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RuntimeProgress) => void;
}

/** Imports everything a worker needs, so that no first load pays for the byte code. */
export const PROOF = `
import json, platform
from importlib.metadata import version
import mlx.core, mlx_lm, mlx_lm.generate, mlx_lm.utils, transformers
mlx.core.eval(mlx.core.zeros((2, 2)) + 1)
print(json.dumps({"python": platform.python_version(), "mlx": version("mlx"), "mlx_lm": version("mlx-lm")}))
`;

/** Settings of a user's shell that would make pip or uv install somewhere else. */
const STRIPPED = ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"];

/**
 * Builds aside, proves it by real imports, and renames it into place.
 * @throws RuntimeBuildError; the workshop is gone then
 */
export async function buildRuntime(options: BuildOptions): Promise<void> {
  const { workshop, target, lockHash, onProgress } = options;
  const started = performance.now();
  try {
    await install(options);
    onProgress({ kind: "step", step: "proving it: importing mlx_lm" });
    const proof = await run("importing mlx_lm", pythonOf(workshop), ["-c", options.proof], options);
    const versions = JSON.parse(proof.trim().split("\n").at(-1) ?? "");
    await writeMarker(workshop, { lockHash, versions, builtAt: new Date().toISOString() });
    await rm(target, { recursive: true, force: true });
    await rename(workshop, target);
  } catch (error) {
    await rm(workshop, { recursive: true, force: true });
    if (error instanceof RuntimeBuildError) throw error;
    throw explainBuildFailure("putting it into place", String((error as Error).message));
  }
  onProgress({ kind: "done", seconds: (performance.now() - started) / 1000 });
}

async function install(options: BuildOptions): Promise<void> {
  const { workshop, lockFile, environment, onProgress } = options;
  const python = await findPython(environment);
  const uv = await hasUv(environment);
  onProgress({ kind: "step", step: `making a virtual environment with ${python}` });
  if (uv) await run("making a virtual environment", "uv", ["venv", "--quiet", "--python", python, workshop], options);
  else await run("making a virtual environment", python, ["-m", "venv", workshop], options);
  onProgress({ kind: "step", step: `installing the packages with ${uv ? "uv" : "pip"}` });
  const checked = ["--require-hashes", "--no-deps", "-r", lockFile];
  if (uv) await run("installing the packages", "uv", ["pip", "install", "--python", pythonOf(workshop), ...checked], options);
  else {
    const quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"];
    await run("installing the packages", pythonOf(workshop), ["-m", "pip", "install", ...quiet, ...checked], options);
  }
}

async function hasUv(environment: NodeJS.ProcessEnv): Promise<boolean> {
  const { failed } = await execa("uv", ["--version"], { env: environment, extendEnv: false, reject: false, stdin: "ignore" });
  return !failed;
}

/** Runs one step, reporting the packages it names, and resolves with what it wrote to stdout. */
async function run(step: string, file: string, args: readonly string[], options: BuildOptions): Promise<string> {
  const child = execa(file, [...args], {
    env: cleanEnvironment(options.environment),
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    all: true,
    cancelSignal: options.signal,
  });
  for await (const line of child.iterable({ from: "all" })) {
    const name = /^\s*(?:Collecting|Downloading|Downloaded|Building)\s+(\S+)/.exec(String(line))?.[1];
    if (name !== undefined) options.onProgress({ kind: "package", name: name.replace(/==.*/, "") });
  }
  const result = await child;
  if (options.signal.aborted) throw new RuntimeBuildError("aborted", "The build of the Python runtime was stopped.", "");
  if (!result.failed) return result.stdout;
  throw explainBuildFailure(step, `${result.all}\n${result.originalMessage ?? ""}`);
}

function cleanEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !STRIPPED.includes(name)));
}
