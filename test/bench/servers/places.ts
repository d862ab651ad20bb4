import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../../supervisor/config/load-config.ts";
import { findOpenBlas } from "../../../supervisor/host/find-openblas.ts";
import { packageFiles } from "../../../supervisor/host/package-files.ts";
import { ensureRuntime } from "../../../supervisor/runtime/ensure-runtime.ts";
import { showRuntimeProgress } from "../../../supervisor/runtime/show-runtime-progress.ts";
import { type WorkerCommand, workerCommand } from "../../../supervisor/workers/worker-command.ts";
import { buildOnce, type ModelRecipe } from "./build-once.ts";

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
  /** Where models are kept from one run to the next. */
  readonly cache: string;
  /** Temporary directory of the Python processes that are not in a supervisor's care. */
  readonly scratch: string;
}

const PROGRAMS = join(import.meta.dirname, "../python");
const TESTS = join(packageFiles().workerDirectory, "tests");
const MODEL: ModelRecipe = {
  id: "bench/llama-5m",
  builder: join(PROGRAMS, "build_model.py"),
  sources: [join(TESTS, "tiny_models.py")],
};
const MANY_SHARDS: ModelRecipe = {
  id: "bench/kimi-k2-91-files",
  builder: join(PROGRAMS, "build_sparse_model.py"),
  sources: [join(TESTS, "tiny_models.py")],
};

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
    // Nobody pings what is measured by itself.
    deadmanSeconds: 0,
    environment: process.env,
  });
  const cache = join(stateDirectory, "bench");
  const modelRoot = await buildOnce(MODEL, cache, runtime.python, command.env);
  return {
    python: runtime.python,
    versions: runtime.versions,
    runtimesDirectory,
    pythonEnvironment: command.env,
    workerCommand: command,
    openBlas,
    modelId: MODEL.id,
    modelRoot,
    modelDirectory: join(modelRoot, MODEL.id),
    cache,
    scratch,
  };
}

/** Builds a model of many files that hold no weights, on first use only; the directory that holds it under its id. */
export async function buildManyShards(places: BenchPlaces): Promise<{ id: string; root: string }> {
  const { id } = MANY_SHARDS;
  return { id, root: await buildOnce(MANY_SHARDS, places.cache, places.python, places.pythonEnvironment) };
}
