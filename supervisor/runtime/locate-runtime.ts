import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { questionPython } from "./find-python.ts";
import { minorOf } from "./python-facts.ts";
import { lockHashOf, type Runtime, readRuntime } from "./runtime-marker.ts";

/** Where the runtime of a lock file belongs. */
export interface RuntimePlace {
  readonly lockHash: string;
  /** Absolute. */
  readonly directory: string;
}

/** Where the runtime of this lock file is, or would be built. */
export async function runtimePlace(
  runtimesDirectory: string,
  lockFile: string,
  environment: NodeJS.ProcessEnv,
): Promise<RuntimePlace> {
  const lock = await readFile(lockFile, "utf8");
  const lockHash = lockHashOf(lock, process.platform, process.arch, environment.OPTA_LMX_PYTHON ?? "");
  return { lockHash, directory: join(resolve(runtimesDirectory), lockHash) };
}

/**
 * The runtime that stands at this place and works; null when none does. The interpreter is run: an upgrade of the
 * system's Python leaves a link that leads to another version, without our packages. One that cannot be asked just now
 * stands: to build it anew would take the network, and it from under others who use it.
 */
export async function locateRuntime(
  { directory, lockHash }: RuntimePlace,
  environment: NodeJS.ProcessEnv,
  question = questionPython,
): Promise<Runtime | null> {
  const runtime = await readRuntime(directory);
  if (runtime === null || runtime.lockHash !== lockHash) return null;
  const answer = await question(runtime.python, environment);
  if (answer.kind === "later") return runtime;
  const isSame =
    answer.kind === "facts" && minorOf(answer.facts.version) === minorOf(runtime.versions.python);
  return isSame ? runtime : null;
}

/** Every complete runtime in this directory; the interpreters are not run. */
export async function listRuntimes(runtimesDirectory: string): Promise<Runtime[]> {
  const names = await readdir(runtimesDirectory).catch(() => []);
  const directories = names.filter((name) => /^[0-9a-f]{16}$/.test(name)).sort();
  const runtimes = await Promise.all(
    directories.map((name) => readRuntime(join(resolve(runtimesDirectory), name))),
  );
  return runtimes.filter((runtime) => runtime !== null);
}
