import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { askPython } from "./find-python.ts";
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
 * system's Python leaves a link that leads to another version, without our packages.
 */
export async function locateRuntime(
  { directory, lockHash }: RuntimePlace,
  environment: NodeJS.ProcessEnv,
): Promise<Runtime | null> {
  const runtime = await readRuntime(directory);
  if (runtime === null || runtime.lockHash !== lockHash) return null;
  const facts = await askPython(runtime.python, environment);
  return facts !== null && minorOf(facts.version) === minorOf(runtime.versions.python) ? runtime : null;
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
