import { execa } from "execa";
import { explainBuildFailure } from "./explain-build-failure.ts";
import { installerEnvironment } from "./installer-environment.ts";
import type { PythonFacts } from "./python-facts.ts";
import { abortedBuild, RuntimeBuildError } from "./runtime-build-error.ts";

/** One program of the build. */
export interface BuildStep {
  /** What it does, as "installing the packages". */
  readonly step: string;
  readonly command: readonly [file: string, ...args: string[]];
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly python: PythonFacts;
  readonly signal: AbortSignal;
  readonly onLine?: (line: string) => void;
}

/** A slow line may need long for 100 MB; a build that hangs must still end. */
const STEP_TIMEOUT_MS = 60 * 60_000;
/** What a stopped installer gets to remove its temporary files. */
const STOP_GRACE_MS = 2_000;

/**
 * Runs one step and resolves with what it wrote to stdout.
 * The program has a process group of its own: `python -m venv` starts further processes, and all of them must be gone
 * before the caller removes what they were writing.
 * @throws RuntimeBuildError
 */
export async function runBuildStep(build: BuildStep): Promise<string> {
  const { step, command, cwd, environment, python, signal, onLine } = build;
  if (signal.aborted) throw abortedBuild();
  const [file, ...args] = command;
  const env = installerEnvironment(environment);
  const child = execa(file, args, {
    cwd,
    env,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    all: true,
    detached: true,
  });
  let timedOut = false;
  const stop = stopper(child.pid);
  const limit = setTimeout(() => {
    timedOut = true;
    stop.ask();
  }, STEP_TIMEOUT_MS);
  signal.addEventListener("abort", stop.ask, { once: true });
  process.once("exit", stop.force);
  try {
    if (child.pid !== undefined) {
      for await (const line of child.iterable({ from: "all", preserveNewlines: false }))
        onLine?.(String(line));
    }
  } catch {
    // The result below says why.
  } finally {
    clearTimeout(limit);
  }
  const result = await child.finally(() => {
    signal.removeEventListener("abort", stop.ask);
    process.off("exit", stop.force);
    stop.force();
  });
  if (signal.aborted) throw abortedBuild();
  if (timedOut) throw tooLong(step);
  if (!result.failed) return result.stdout;
  throw explainBuildFailure({
    step,
    output: `${result.all ?? ""}\n${result.exitCode === undefined ? (result.originalMessage ?? "") : ""}`,
    exitCode: result.exitCode ?? null,
    signal: result.signal ?? null,
    python,
  });
}

/** Ends a process group: by request with a grace, or at once. */
function stopper(pid: number | undefined): { ask: () => void; force: () => void } {
  let grace: NodeJS.Timeout | undefined;
  const send = (name: NodeJS.Signals) => {
    try {
      if (pid !== undefined) process.kill(-pid, name);
    } catch {
      // The group is gone already.
    }
  };
  const force = () => {
    clearTimeout(grace);
    send("SIGKILL");
  };
  const ask = () => {
    send("SIGTERM");
    grace = setTimeout(force, STOP_GRACE_MS);
  };
  return { ask, force };
}

function tooLong(step: string): RuntimeBuildError {
  const message = `The Python runtime could not be built: ${step} took more than an hour.`;
  return new RuntimeBuildError("timed-out", message, "Check the network, then start again.");
}
