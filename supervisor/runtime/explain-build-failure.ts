import { type BuildFailureKind, RuntimeBuildError } from "./runtime-build-error.ts";

interface Explanation {
  readonly pattern: RegExp;
  readonly kind: BuildFailureKind;
  readonly message: string;
  readonly nextStep: string;
}

const AGAIN = "then start again: what is complete is kept, what is not is built anew.";

/** First match wins. An installer without network also says "no matching distribution", so the network comes first. */
const EXPLANATIONS: readonly Explanation[] = [
  {
    pattern: /no space left on device|ENOSPC|disk quota exceeded/i,
    kind: "disk-full",
    message: "The disk is full: the Python runtime needs about 1 GB.",
    nextStep: `Free some space, or set OPTA_LMX_RUNTIMES to a directory on another disk, ${AGAIN}`,
  },
  {
    pattern: /ensurepip is not available|No module named '?(venv|ensurepip)/i,
    kind: "venv-missing",
    message: "This Python cannot make virtual environments: its venv module is missing.",
    nextStep: `Install it (Debian and Ubuntu: apt-get install python3-venv), or install uv, ${AGAIN}`,
  },
  {
    pattern: /permission denied|EACCES|read-only file system|EROFS/i,
    kind: "permission",
    message: "The runtime directory cannot be written.",
    nextStep: `Make it writable, or set OPTA_LMX_RUNTIMES to a directory that is, ${AGAIN}`,
  },
  {
    pattern: /do not match the hashes|hash mismatch|hashes are required/i,
    kind: "hash-mismatch",
    message: "A package is not the one the lock file names: its hash differs.",
    nextStep: "Do not go round this. Check the package index and proxy this machine uses, then start again.",
  },
  {
    pattern:
      /name resolution|nodename nor servname|getaddrinfo|failed to establish a new connection|connection (refused|reset|aborted|broken)|network is unreachable|no route to host|timed out|dns error|error sending request|failed to (fetch|download)|proxyerror|cannot connect to proxy|sslerror|certificate verify failed|client error \(connect\)/i,
    kind: "network",
    message: "The Python packages could not be downloaded: the package index cannot be reached.",
    nextStep: `Check the network and the proxy settings (HTTPS_PROXY, PIP_INDEX_URL), ${AGAIN}`,
  },
  {
    pattern: /no matching distribution|could not find a version|matching (platform|python) (tag|abi)|has no wheels|is not a supported wheel|doesn't have a source distribution or wheel/i,
    kind: "no-wheel",
    message: "There is no build of MLX for this machine: it needs Apple silicon with macOS 14 or later, or Linux with glibc 2.35 or later, and Python 3.11 to 3.14.",
    nextStep: "Use such a machine, or name another Python with OPTA_LMX_PYTHON.",
  },
];

const DETAIL_LINES = 12;

/**
 * Why a build step failed, in words for people.
 *
 * @param step what was being done, as "installing the packages"
 * @param output everything the program wrote
 */
export function explainBuildFailure(step: string, output: string): RuntimeBuildError {
  const detail = output.trimEnd().split("\n").slice(-DETAIL_LINES).join("\n");
  const known = EXPLANATIONS.find(({ pattern }) => pattern.test(output));
  if (known !== undefined) return new RuntimeBuildError(known.kind, known.message, known.nextStep, detail);
  const message = `The Python runtime could not be built: ${step} failed.\n${detail}`;
  return new RuntimeBuildError("unknown", message, "Mend what the lines above name, then start again.", detail);
}
