import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { findOpenBlas } from "../../../supervisor/host/find-openblas.ts";
import { packageFiles } from "../../../supervisor/host/package-files.ts";
import { loadConfig } from "../../../supervisor/load-config.ts";
import { type WorkerCommand, workerCommand } from "../../../supervisor/process/worker-command.ts";
import { ensureRuntime } from "../../../supervisor/runtime/ensure-runtime.ts";
import { showRuntimeProgress } from "../../../supervisor/runtime/show-runtime-progress.ts";

/** Everything all sides share: one interpreter, one environment, one model. */
export interface BenchPlaces {
  readonly python: string;
  readonly versions: { readonly python: string; readonly mlx: string; readonly mlx_lm: string };
  readonly runtimesDirectory: string;
  /** Of every Python process: a worker's own, so the same BLAS and the same switches. */
  readonly pythonEnvironment: Readonly<Record<string, string>>;
  readonly workerCommand: WorkerCommand;
  readonly openBlas: string | null;
  readonly modelId: string;
  /** Holds the model under its id. */
  readonly modelRoot: string;
  readonly modelDirectory: string;
  /** Temporary directory of the Python processes that are not in a supervisor's care. */
  readonly scratch: string;
}

const MODEL_ID = "bench/llama-5m";
const BUILDER = join(import.meta.dirname, "../python/build_model.py");

/** Finds the runtime and builds the model, each on first use only. */
export async function preparePlaces(wantOpenBlas: boolean): Promise<BenchPlaces> {
  const { workerDirectory, requirementsLock } = packageFiles();
  const { runtimesDirectory, stateDirectory } = loadConfig().paths;
  const runtime = await ensureRuntime({
    runtimesDirectory,
    lockFile: requirementsLock,
    onProgress: showRuntimeProgress(process.stderr),
  });
  const openBlas = wantOpenBlas ? findOpenBlas() : null;
  const scratch = await mkdtemp(join(tmpdir(), "lmx-bench-scratch-"));
  const command = workerCommand({
    python: runtime.python,
    workerDirectory,
    temporaryDirectory: scratch,
    token: "bench",
    platform: process.platform,
    openBlas,
    environment: process.env,
  });
  const modelRoot = await buildModel(join(stateDirectory, "bench"), runtime.python, command.env);
  return {
    python: runtime.python,
    versions: runtime.versions,
    runtimesDirectory,
    pythonEnvironment: command.env,
    workerCommand: command,
    openBlas,
    modelId: MODEL_ID,
    modelRoot,
    modelDirectory: join(modelRoot, MODEL_ID),
    scratch,
  };
}

/** A directory named after what the model is built from; built aside and renamed, so a half one is never used. */
async function buildModel(
  cache: string,
  python: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const sources = [BUILDER, join(packageFiles().workerDirectory, "tests/tiny_models.py")];
  const hash = createHash("sha256");
  for (const source of sources) hash.update(await readFile(source));
  const root = join(cache, hash.digest("hex").slice(0, 16));
  const present = await readFile(join(root, MODEL_ID, "config.json")).catch(() => null);
  if (present !== null) return root;
  await mkdir(cache, { recursive: true });
  const workshop = await mkdtemp(join(cache, "building-"));
  await mkdir(dirname(join(workshop, MODEL_ID)), { recursive: true });
  await promisify(execFile)(python, [BUILDER, join(workshop, MODEL_ID)], { env: { ...env } });
  await rename(workshop, root).catch(() => rm(workshop, { recursive: true, force: true }));
  return root;
}
