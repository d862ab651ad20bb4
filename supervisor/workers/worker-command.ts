/** Everything needed to start one worker's operating-system process. */
export interface WorkerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface WorkerCommandInput {
  /** Absolute path of the runtime's interpreter. */
  readonly python: string;
  /** Directory that holds the `lmx_worker` package. */
  readonly workerDirectory: string;
  /** Private temporary directory of this worker. */
  readonly temporaryDirectory: string;
  /** Random marker in argv and environment: a later start recognises by it this worker, and what it has started. */
  readonly token: string;
  readonly platform: NodeJS.Platform;
  /** A faster BLAS to preload, or null. */
  readonly openBlas: string | null;
  /** The worker ends itself when it has heard nothing for so long, seconds. */
  readonly deadmanSeconds: number;
  /** The supervisor's own environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Inherited as they are. Everything else stays out: keys, proxies and Python settings of a user's shell. */
const INHERITED = ["HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TZ", "USER"];

const MARK = "OPTA_LMX_WORKER";

/** How a worker's token stands in its environment, and in that of whatever it starts. */
export function workerMark(token: string): string {
  return `${MARK}=${token}`;
}

/** Command line and environment of a worker. */
export function workerCommand(input: WorkerCommandInput): WorkerCommand {
  const env: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = input.environment[name];
    if (value !== undefined) env[name] = value;
  }
  Object.assign(env, {
    PYTHONPATH: input.workerDirectory,
    // Or whatever lies in the directory the service was started from would be imported first, a stranger's json.py too.
    PYTHONSAFEPATH: "1",
    PYTHONUNBUFFERED: "1",
    PYTHONNOUSERSITE: "1",
    PYTHONUTF8: "1",
    // No model directory may make the loader fetch something.
    HF_HUB_OFFLINE: "1",
    TRANSFORMERS_OFFLINE: "1",
    TOKENIZERS_PARALLELISM: "false",
    TMPDIR: input.temporaryDirectory,
    OPTA_LMX_DEADMAN_SECONDS: String(input.deadmanSeconds),
    [MARK]: input.token,
  });
  // mx.compile shells out to a compiler and caches without a lock: a worker killed half-way breaks every later one.
  if (input.platform === "linux") env.MLX_DISABLE_COMPILE = "1";
  if (input.openBlas !== null) {
    env.LD_PRELOAD = input.openBlas;
    // One engine thread feeds it; more threads only fight over the cores with other workers.
    env.OPENBLAS_NUM_THREADS = "1";
  }
  return { file: input.python, args: ["-m", "lmx_worker", "--token", input.token], env };
}
