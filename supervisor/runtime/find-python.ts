import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { basename, delimiter, isAbsolute, join } from "node:path";
import { choosePython, objectionTo, PYTHON_NAMES, type PythonCandidate } from "./choose-python.ts";
import { PYTHON_FACTS_PROGRAM, type PythonFacts, pythonFactsSchema } from "./python-facts.ts";
import { runPython } from "./run-python.ts";

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

/** What came of asking an interpreter what it is. */
export type PythonAnswer =
  | { readonly kind: "facts"; readonly facts: PythonFacts }
  /** It does not run, or what it says makes no sense. */
  | { readonly kind: "none" }
  /** It could not be asked now: the machine is too busy, or out of memory, processes or files. */
  | { readonly kind: "later" };

const PASSING_ERRORS = new Set<unknown>(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"]);

/** Runs an interpreter and returns what it says about itself; null when it does not run or makes no sense. */
export async function askPython(path: string, environment: NodeJS.ProcessEnv): Promise<PythonFacts | null> {
  const answer = await questionPython(path, environment);
  return answer.kind === "facts" ? answer.facts : null;
}

/** Runs an interpreter, for at most this long. Never rejects. */
export async function questionPython(
  path: string,
  environment: NodeJS.ProcessEnv,
  timeoutMs = QUESTION_TIMEOUT_MS,
): Promise<PythonAnswer> {
  const options = { environment, timeoutMs };
  const { stdout, failed, timedOut, code } = await runPython(path, PYTHON_FACTS_PROGRAM, options);
  if (timedOut || PASSING_ERRORS.has(code)) return { kind: "later" };
  if (failed) return { kind: "none" };
  try {
    return { kind: "facts", facts: pythonFactsSchema.parse(JSON.parse(stdout)) };
  } catch {
    return { kind: "none" };
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
      // Behind a shim is one program for all names, which goes by the name.
      const program = basename(target).startsWith("python") ? target : `${target} as ${name}`;
      if (isApplePlaceholder(path) || seen.has(program)) continue;
      seen.add(program);
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
