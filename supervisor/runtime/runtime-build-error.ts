/** What kept the Python runtime from being built. */
export type BuildFailureKind =
  | "no-python"
  | "venv-missing"
  | "network"
  | "disk-full"
  | "permission"
  | "hash-mismatch"
  | "no-wheel"
  | "broken-import"
  | "timed-out"
  | "aborted"
  | "unknown";

/** The runtime could not be built. Message and next step are for people; nothing half-made is left in use. */
export class RuntimeBuildError extends Error {
  readonly kind: BuildFailureKind;
  readonly nextStep: string;
  /** The last lines the failing program wrote. */
  readonly detail: string;

  constructor(kind: BuildFailureKind, message: string, nextStep: string, detail = "") {
    super(message);
    this.name = "RuntimeBuildError";
    this.kind = kind;
    this.nextStep = nextStep;
    this.detail = detail;
  }
}

/** The caller's signal ended the build. */
export function abortedBuild(): RuntimeBuildError {
  return new RuntimeBuildError(
    "aborted",
    "The build of the Python runtime was stopped.",
    "Start again; nothing half-made was left.",
  );
}
