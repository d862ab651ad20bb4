import { execa } from "execa";
import { choosePython, PYTHON_NAMES, type PythonCandidate } from "./choose-python.ts";

const QUESTION_TIMEOUT_MS = 20_000;
const QUESTION = "import sys; print(sys.version_info[0], sys.version_info[1], sys.executable)";

/**
 * The interpreter to build with: OPTA_LMX_PYTHON, or the first that fits on PATH. Each is run to learn its version,
 * because a name may be a shim with nothing behind it.
 * @throws RuntimeBuildError when there is none
 */
export async function findPython(environment: NodeJS.ProcessEnv): Promise<string> {
  const named = environment.OPTA_LMX_PYTHON;
  const names = named ? [named] : PYTHON_NAMES;
  const candidates = await Promise.all(names.map((name) => examine(name, environment)));
  return choosePython(candidates).executable;
}

async function examine(name: string, environment: NodeJS.ProcessEnv): Promise<PythonCandidate> {
  const { stdout = "", failed } = await execa(name, ["-c", QUESTION], {
    env: environment,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: QUESTION_TIMEOUT_MS,
  });
  const answer = /^(\d+) (\d+) (.+)$/.exec(stdout.trim());
  if (failed || answer === null) return { name, version: null, executable: null };
  return { name, version: [Number(answer[1]), Number(answer[2])], executable: answer[3] ?? null };
}
