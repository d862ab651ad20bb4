import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { execa } from "execa";
import { choosePython, objectionTo, PYTHON_NAMES, type PythonCandidate } from "./choose-python.ts";
import { installerEnvironment } from "./installer-environment.ts";
import { PYTHON_FACTS_PROGRAM, type PythonFacts, pythonFactsSchema } from "./python-facts.ts";

const QUESTION_TIMEOUT_MS = 20_000;

/**
 * The interpreter to build with: OPTA_LMX_PYTHON, or the first on PATH that fits. Each is run to learn what it is,
 * because a name may be a shim with nothing behind it.
 * @throws RuntimeBuildError when there is none
 */
export async function findPython(environment: NodeJS.ProcessEnv): Promise<PythonFacts> {
  const named = environment.OPTA_LMX_PYTHON || null;
  const candidates: PythonCandidate[] = [];
  for await (const path of named === null ? pythonsOnPath(environment) : pythonsNamed(named, environment)) {
    const facts = await askPython(path, environment);
    candidates.push({ path, facts });
    if (facts !== null && objectionTo(facts) === null) break;
  }
  return choosePython(candidates, named);
}

/** Runs an interpreter and returns what it says about itself; null when it does not run or makes no sense. */
export async function askPython(path: string, environment: NodeJS.ProcessEnv): Promise<PythonFacts | null> {
  const { stdout, failed } = await execa(path, ["-I", "-c", PYTHON_FACTS_PROGRAM], {
    env: installerEnvironment(environment),
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: QUESTION_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  if (failed) return null;
  try {
    return pythonFactsSchema.parse(JSON.parse(stdout));
  } catch {
    return null;
  }
}

/** Every executable file of this name on PATH, in the order of PATH. */
export async function* onPath(name: string, environment: NodeJS.ProcessEnv): AsyncGenerator<string> {
  for (const directory of (environment.PATH ?? "").split(delimiter)) {
    const path = join(directory, name);
    // A relative entry would make the result depend on where the user stands.
    if (isAbsolute(directory) && (await isExecutable(path))) yield path;
  }
}

async function* pythonsNamed(named: string, environment: NodeJS.ProcessEnv): AsyncGenerator<string> {
  if (isAbsolute(named)) yield named;
  else yield* onPath(named, environment);
}

async function* pythonsOnPath(environment: NodeJS.ProcessEnv): AsyncGenerator<string> {
  const seen = new Set<string>();
  for (const name of PYTHON_NAMES) {
    for await (const path of onPath(name, environment)) {
      const target = await realpath(path);
      if (isApplePlaceholder(path) || seen.has(target)) continue;
      seen.add(target);
      yield path;
    }
  }
}

/** Without Apple's developer tools this program opens an installation dialog; with them it is Python 3.9. */
function isApplePlaceholder(path: string): boolean {
  return process.platform === "darwin" && path.startsWith("/usr/bin/");
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
