import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { acquireLock, type Lock, LockHeldError } from "../host/lock-file.ts";
import { buildRuntime, PROOF, type RuntimeProgress } from "./build-runtime.ts";
import { explainBuildFailure } from "./explain-build-failure.ts";
import { RuntimeBuildError } from "./runtime-build-error.ts";
import { lockHashOf, type Runtime, readRuntime } from "./runtime-marker.ts";

export interface EnsureRuntimeOptions {
  readonly runtimesDirectory: string;
  /** Requirements with hashes. */
  readonly lockFile: string;
  /** Python statements that prove the runtime; replaced in tests that install other packages. */
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
  const { runtimesDirectory, lockFile } = options;
  const lockHash = lockHashOf(await readFile(lockFile, "utf8"), process.platform, process.arch);
  const target = join(runtimesDirectory, lockHash);
  const standing = await readRuntime(target);
  if (standing !== null) return standing;
  const lock = await waitForTurn(`${target}.lock`, options);
  try {
    // Whoever held the lock before us may have built it.
    const built = await readRuntime(target);
    if (built !== null) return built;
    await removeLeftovers(runtimesDirectory, lockHash);
    await buildRuntime({
      target,
      workshop: join(runtimesDirectory, `${lockHash}.building-${process.pid}`),
      lockFile,
      lockHash,
      proof: options.proof ?? PROOF,
      environment: options.environment ?? process.env,
      signal: options.signal ?? new AbortController().signal,
      onProgress: options.onProgress ?? (() => {}),
    });
    const runtime = await readRuntime(target);
    if (runtime === null) throw explainBuildFailure("reading it back", `${target} is not complete`);
    return runtime;
  } finally {
    await lock.release();
  }
}

async function waitForTurn(path: string, { signal, onProgress }: EnsureRuntimeOptions): Promise<Lock> {
  for (;;) {
    if (signal?.aborted) throw new RuntimeBuildError("aborted", "The build of the Python runtime was stopped.", "");
    try {
      return await acquireLock(path);
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw explainBuildFailure("taking the lock", String((error as Error).message));
      onProgress?.({ kind: "waiting", pid: error.pid });
      await delay(LOOK_AGAIN_MS);
    }
  }
}

/** Under the lock nobody else builds, so every workshop is one whose builder died. */
async function removeLeftovers(runtimesDirectory: string, lockHash: string): Promise<void> {
  await mkdir(runtimesDirectory, { recursive: true });
  const names = await readdir(runtimesDirectory);
  const leftovers = names.filter((name) => name.startsWith(`${lockHash}.building-`));
  await Promise.all(leftovers.map((name) => rm(join(runtimesDirectory, name), { recursive: true, force: true })));
}
