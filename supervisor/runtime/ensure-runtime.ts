import { mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { acquireLock, type Lock, LockHeldError } from "../host/lock-file.ts";
import { buildRuntime, explainSystemError, PROOF, type RuntimeProgress } from "./build-runtime.ts";
import { locateRuntime, runtimePlace } from "./locate-runtime.ts";
import { abortedBuild, exposedRuntime } from "./runtime-build-error.ts";
import { runtimeExposure } from "./runtime-exposure.ts";
import type { Runtime } from "./runtime-marker.ts";
import { removeAbandonedStaging } from "./staging-directory.ts";

export interface EnsureRuntimeOptions {
  readonly runtimesDirectory: string;
  /** Directory of the service's own; when the runtimes are in it, others may write nothing from there on. */
  readonly within?: string;
  /** Requirements with hashes. */
  readonly lockFile: string;
  /** Python statements that prove the runtime; replaced for environments that hold other packages. */
  readonly proof?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RuntimeProgress) => void;
}

/** How often a second starter looks whether the first has finished building. Milliseconds. */
const LOOK_AGAIN_MS = 250;

/**
 * The Python runtime for a lock file: the one that stands, or a new one, built by exactly one of all processes that
 * ask at once. A build that was interrupted leaves nothing in use; the next one starts over.
 * @throws RuntimeBuildError
 */
export async function ensureRuntime(options: EnsureRuntimeOptions): Promise<Runtime> {
  const { environment = process.env, signal = new AbortController().signal, onProgress = () => {} } = options;
  const place = await runtimePlace(options.runtimesDirectory, options.lockFile, environment);
  // Before anything of it is run.
  await refuseExposed(options, place.directory);
  const standing = await locateRuntime(place, environment);
  if (standing !== null) return standing;
  const lock = await waitForTurn(place.directory, signal, onProgress);
  try {
    // Whoever held the lock before us may have built it.
    const built = await locateRuntime(place, environment);
    if (built !== null) return built;
    await removeAbandonedStaging(dirname(place.directory));
    const { lockFile, proof = PROOF } = options;
    const { lockHash, directory: target } = place;
    await buildRuntime({ target, lockFile, lockHash, proof, environment, signal, onProgress });
    const runtime = await locateRuntime(place, environment);
    if (runtime === null) throw explainSystemError("reading it back", `${target} is not complete`, null);
    return runtime;
  } finally {
    await lock.release();
  }
}

/** @throws RuntimeBuildError exposed */
async function refuseExposed(
  { runtimesDirectory, within }: EnsureRuntimeOptions,
  directory: string,
): Promise<void> {
  const exposure = await runtimeExposure({
    directory,
    runtimesDirectory: resolve(runtimesDirectory),
    within,
  });
  if (exposure !== null) throw exposedRuntime(exposure);
}

/** Takes the right to build at `target`; while another process has it, waits and says for whom. */
async function waitForTurn(
  target: string,
  signal: AbortSignal,
  onProgress: (progress: RuntimeProgress) => void,
): Promise<Lock> {
  for (;;) {
    if (signal.aborted) throw abortedBuild();
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      return await acquireLock(`${target}.lock`);
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw explainSystemError("taking the lock", error, null);
      onProgress({ kind: "waiting", pid: error.pid });
      await delay(LOOK_AGAIN_MS, undefined, { signal }).catch(() => {});
    }
  }
}
