import { execa } from "execa";
import {
  type ReducedArchitecture,
  reducedArchitectureSchema,
  reducedBuildSchema,
} from "../../shared/admin-sweep.ts";
import { LmxError } from "../../shared/errors.ts";
import { type WorkerCommandInput, workerCommand } from "../workers/worker-command.ts";

/** The builder gives up by itself after 120 s; this is for one that cannot. Milliseconds. */
const BUILD_TIMEOUT_MS = 150_000;
const LIST_TIMEOUT_MS = 60_000;
/** From SIGTERM to SIGKILL. Milliseconds. */
const KILL_AFTER_MS = 2_000;

export type ReducedBuild =
  | { readonly kind: "built"; readonly path: string }
  /** `type`: the Python exception's name, or how the process ended. */
  | { readonly kind: "failed"; readonly type: string; readonly message: string };

/** Where the builder runs: as a worker does, in its own temporary directory. */
export type ReducedModelPlaces = Omit<WorkerCommandInput, "token" | "deadmanSeconds">;

/** Every architecture of the runtime's mlx_lm. @throws LmxError worker_runtime_broken; the signal's reason */
export async function listReducedModels(
  places: ReducedModelPlaces,
  signal: AbortSignal,
): Promise<ReducedArchitecture[]> {
  const { stdout, ended, lastWords } = await runBuilder(places, ["--list"], LIST_TIMEOUT_MS, signal);
  try {
    if (ended !== null) throw new Error(`${ended}; ${lastWords}`);
    return linesOf(stdout).map((line) => reducedArchitectureSchema.parse(JSON.parse(line)));
  } catch (error) {
    const why = (error as Error).message.slice(0, 500);
    throw new LmxError("worker_runtime_broken", `The architectures of mlx_lm cannot be listed: ${why}`, {
      cause: error,
    });
  }
}

/** Writes a small model of this architecture. However that goes is an answer. @throws the signal's reason */
export async function buildReducedModel(
  places: ReducedModelPlaces,
  arch: string,
  directory: string,
  signal: AbortSignal,
): Promise<ReducedBuild> {
  // One word each: an architecture's name must never be read as an option.
  const args = [`--arch=${arch}`, `--out=${directory}`];
  const { stdout, ended, lastWords } = await runBuilder(places, args, BUILD_TIMEOUT_MS, signal);
  const answer = parseBuild(linesOf(stdout).at(-1));
  if (answer === null) return { kind: "failed", type: ended ?? "no answer", message: lastWords };
  if ("error" in answer) return { kind: "failed", ...answer.error };
  return { kind: "built", path: answer.path };
}

async function runBuilder(
  places: ReducedModelPlaces,
  args: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<{ stdout: string; ended: string | null; lastWords: string }> {
  signal.throwIfAborted();
  const { file, env } = workerCommand({ ...places, token: "", deadmanSeconds: 0 });
  const result = await execa(file, ["-m", "reduced_models", ...args], {
    env,
    extendEnv: false,
    cwd: places.temporaryDirectory,
    stdin: "ignore",
    reject: false,
    timeout: timeoutMs,
    cancelSignal: signal,
    forceKillAfterDelay: KILL_AFTER_MS,
  });
  signal.throwIfAborted();
  const lastLine = linesOf(result.stderr).at(-1) ?? result.originalMessage ?? "it said nothing";
  return { stdout: result.stdout, ended: endOf(result), lastWords: lastLine.slice(0, 500) };
}

/** How a process failed, in a word or two; null: it did not. */
function endOf(result: {
  readonly failed: boolean;
  readonly timedOut: boolean;
  readonly signal?: string | undefined;
  readonly exitCode?: number | undefined;
}): string | null {
  if (!result.failed) return null;
  if (result.timedOut) return "timeout";
  return result.signal ?? (result.exitCode === undefined ? "not started" : `exit code ${result.exitCode}`);
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

function parseBuild(line: string | undefined) {
  try {
    return reducedBuildSchema.safeParse(JSON.parse(line ?? "")).data ?? null;
  } catch {
    return null;
  }
}
