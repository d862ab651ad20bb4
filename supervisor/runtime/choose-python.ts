import { minorOf, type PythonFacts } from "./python-facts.ts";
import { RuntimeBuildError } from "./runtime-build-error.ts";

/** Minor versions every locked package has wheels for: the most tested first. */
const SUPPORTED = ["3.13", "3.12", "3.14", "3.11"];

/** Looked for on PATH in this order: a name with a version says best what it is. */
export const PYTHON_NAMES = [...SUPPORTED.map((minor) => `python${minor}`), "python3", "python"];

const HOW_TO_INSTALL =
  "Install Python 3.13 (macOS: brew install python@3.13; Debian and Ubuntu: apt-get install python3 python3-venv; " +
  "with uv: uv python install 3.13), or name one with OPTA_LMX_PYTHON.";

/** A program named like a Python, and what it said when it was run; null when it said nothing (an empty shim, say). */
export interface PythonCandidate {
  readonly path: string;
  readonly facts: PythonFacts | null;
}

/**
 * The first candidate that can carry the runtime.
 * @param named - value of OPTA_LMX_PYTHON, when candidates hold only what it names
 * @throws RuntimeBuildError no-python, naming what was found where
 */
export function choosePython(candidates: readonly PythonCandidate[], named: string | null): PythonFacts {
  const rejected: string[] = [];
  for (const { path, facts } of candidates) {
    if (facts === null) continue;
    const objection = objectionTo(facts);
    if (objection === null) return facts;
    rejected.push(`${path} is ${objection}`);
  }
  if (named !== null) {
    const found = rejected[0] ?? `${named} does not run as one`;
    const nextStep = "Set OPTA_LMX_PYTHON to the path of such a Python, or unset it to search PATH.";
    throw new RuntimeBuildError(
      "no-python",
      `OPTA_LMX_PYTHON must name Python 3.11 to 3.14; ${found}.`,
      nextStep,
    );
  }
  const found = rejected.length === 0 ? "none was found on PATH" : `found only: ${rejected.join(", ")}`;
  throw new RuntimeBuildError("no-python", `Opta-LMX needs Python 3.11 to 3.14; ${found}.`, HOW_TO_INSTALL);
}

/** What this Python is that it should not be; null when it fits. */
export function objectionTo(facts: PythonFacts): string | null {
  const { implementation, version, platform, machine, freeThreaded } = facts;
  if (implementation !== "cpython") return `${implementation}, not CPython`;
  // mlx has no wheels for it, and on Apple silicon another one may follow on PATH.
  if (platform === "darwin" && machine !== "arm64") return `${version} for Intel, not for Apple silicon`;
  if (!SUPPORTED.includes(minorOf(version))) return version;
  return freeThreaded ? `${version}, a free-threaded build` : null;
}
