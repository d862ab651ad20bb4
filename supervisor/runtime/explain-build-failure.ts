import { minorOf, type PythonFacts } from "./python-facts.ts";
import { abortedBuild, type BuildFailureKind, RuntimeBuildError } from "./runtime-build-error.ts";

/** A step of the build that failed. */
export interface FailedStep {
  /** What was being done, as "installing the packages". */
  readonly step: string;
  /** What the program wrote, newest last, and what the system said. */
  readonly output: string;
  /** Exit code, or null when a signal ended it or it never ran. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The Python it was for; null before one was found. */
  readonly python: PythonFacts | null;
}

type Explanation = readonly [message: string, nextStep: string];

const DETAIL_LINES = 12;
const AGAIN = "then start again: what is half-made is built anew.";

/**
 * First match wins. A full disk shows up inside messages about everything else, so it comes first; without network
 * pip also says "no matching distribution" and uv "no solution", so the network comes before the missing wheel.
 */
const SIGNS: readonly (readonly [BuildFailureKind, RegExp])[] = [
  ["disk-full", /no space left on device|ENOSPC|EDQUOT|disk quota exceeded/i],
  ["hash-mismatch", /do not match the hashes|hash mismatch for|hashes are required|--require-hashes mode/i],
  ["venv-missing", /ensurepip is not\s+available|no module named '?(ensurepip|venv)\b/i],
  [
    "network",
    /connection broken by|failed to establish a new connection|connect ?timeout|read ?timed? ?out|max retries exceeded|name resolution|nodename nor servname|getaddrinfo|dns error|tcp connect error|client error \(connect\)|error sending request|failed to fetch|network is unreachable|no route to host|network (connectivity )?(is|was) disabled|certificate.?verify.?failed|invalid peer certificate|proxyerror/i,
  ],
  [
    "no-wheel",
    /no matching distribution found|could not find a version|matching (platform|python|abi)[\w\s]* tag|has no usable wheels|not a supported wheel on this platform|no solution found when resolving/i,
  ],
  ["permission", /permission denied|EACCES|EPERM|operation not permitted|read-only file system|EROFS/i],
];

/** Why a step of the build failed, in words for people. */
export function explainBuildFailure(failed: FailedStep): RuntimeBuildError {
  const kind = kindOf(failed);
  if (kind === "aborted") return abortedBuild();
  const detail = failed.output.trimEnd().split("\n").slice(-DETAIL_LINES).join("\n");
  const [message, nextStep] = explanationOf(kind, failed, detail);
  return new RuntimeBuildError(kind, message, nextStep, detail);
}

function kindOf({ step, output, exitCode, signal }: FailedStep): BuildFailureKind {
  const sign = SIGNS.find(([, pattern]) => pattern.test(output));
  if (sign !== undefined) return sign[0];
  // Somebody stopped the installer itself.
  if (signal === "SIGINT" || signal === "SIGTERM" || exitCode === 130) return "aborted";
  return step === PROVING ? "broken-import" : "unknown";
}

/** The step whose failure means the installed packages do not work. */
export const PROVING = "proving it: importing what a worker needs";

function explanationOf(kind: BuildFailureKind, { step, python }: FailedStep, detail: string): Explanation {
  switch (kind) {
    case "disk-full":
      return [
        "The disk is full: the Python runtime needs about 1 GB.",
        `Free some space there and for temporary files (TMPDIR), or set OPTA_LMX_RUNTIMES to a directory on another disk, ${AGAIN}`,
      ];
    case "hash-mismatch":
      return [
        "A package is not the one the lock file names: its hash differs.",
        "Do not go round this. Check the package index, proxy and cache this machine uses (pip cache purge, uv cache clean), then start again.",
      ];
    case "venv-missing":
      return [
        `Python ${python?.version ?? ""} cannot make virtual environments: its venv module is missing.`,
        `Install it (Debian and Ubuntu: apt-get install python${minorOf(python?.version ?? "3")}-venv), or install uv, ${AGAIN}`,
      ];
    case "network":
      return [
        "The Python packages could not be downloaded: the package index cannot be reached.",
        `Check the network, the proxy (HTTPS_PROXY) and the settings of pip or uv, ${AGAIN}`,
      ];
    case "no-wheel":
      return [`A package has no build for ${describe(python)}.`, whereItRuns(python)];
    case "permission":
      return [
        "The directory of the Python runtimes cannot be written.",
        `Make it writable, or set OPTA_LMX_RUNTIMES to a directory that is, ${AGAIN}`,
      ];
    case "broken-import":
      return [`The packages were installed but do not work:\n${detail}`, "Report this with the lines above."];
    default:
      return [
        `The Python runtime could not be built: ${step} failed.\n${detail}`,
        "Mend what the lines above name, then start again.",
      ];
  }
}

function describe(python: PythonFacts | null): string {
  if (python === null) return "this machine";
  const { platform, machine, version, system } = python;
  return `Python ${version} on ${platform} ${machine}${system === "" ? "" : ` (${system})`}`;
}

function whereItRuns(python: PythonFacts | null): string {
  if (python?.platform === "darwin" && python.machine !== "arm64") {
    return "MLX needs Apple silicon. On such a Mac this Python is one for Intel: name one for arm64 with OPTA_LMX_PYTHON.";
  }
  if (python?.platform === "darwin") return "MLX needs macOS 14 or later: update macOS, then start again.";
  return "MLX needs Linux with glibc 2.35 or later on x86_64 or aarch64: use a newer distribution. If yours is, check that your package index is complete.";
}
