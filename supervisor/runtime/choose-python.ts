import { RuntimeBuildError } from "./runtime-build-error.ts";

/** Tried in this order: the versions most tested first, the plain name last. */
export const PYTHON_NAMES = ["python3.13", "python3.12", "python3.14", "python3.11", "python3", "python"];

const OLDEST_MINOR = 11;
const NEWEST_MINOR = 14;

/** What a program named like a Python turned out to be. */
export interface PythonCandidate {
  /** As it was called: a name on PATH, or the path of OPTA_LMX_PYTHON. */
  readonly name: string;
  /** `[3, 12]`, or null when it would not say (not there, or a shim without a version behind it). */
  readonly version: readonly [number, number] | null;
  /** The interpreter's own absolute path. */
  readonly executable: string | null;
}

/**
 * The first candidate MLX has wheels for.
 * @throws RuntimeBuildError naming everything that was found
 */
export function choosePython(candidates: readonly PythonCandidate[]): { readonly executable: string } {
  const fit = candidates.find(({ version }) => version !== null && isSupported(version));
  if (fit?.executable) return { executable: fit.executable };
  const found = candidates.flatMap(({ name, version }) => (version === null ? [] : [`${name} is ${version.join(".")}`]));
  const what = found.length === 0 ? "none was found on PATH" : `found only: ${found.join(", ")}`;
  throw new RuntimeBuildError(
    "no-python",
    `Opta-LMX needs Python 3.${OLDEST_MINOR} to 3.${NEWEST_MINOR}; ${what}.`,
    "Install one (macOS: brew install python@3.13; Debian and Ubuntu: apt-get install python3 python3-venv), or name it with OPTA_LMX_PYTHON.",
  );
}

function isSupported([major, minor]: readonly [number, number]): boolean {
  return major === 3 && minor >= OLDEST_MINOR && minor <= NEWEST_MINOR;
}
