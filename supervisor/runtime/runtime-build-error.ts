import type { Exposure } from "../policy/service/strict-modes.ts";

/** What kept the Python runtime from being built, or from being used. */
export type BuildFailureKind =
  | "no-python"
  | "venv-missing"
  | "network"
  | "disk-full"
  | "permission"
  | "hash-mismatch"
  | "no-wheel"
  | "broken-import"
  | "exposed"
  | "timed-out"
  | "aborted"
  | "unknown";

/** The runtime could not be built, or must not be used. Message and next step are for people; nothing half-made is left in use. */
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

/** Others could have changed what would be run. */
export function exposedRuntime({ problem, nextStep }: Exposure): RuntimeBuildError {
  return new RuntimeBuildError(
    "exposed",
    `The Python runtime is not used, because others can change it: ${problem}.`,
    `If you trust whoever could: ${nextStep}\nIf not, remove the runtimes as well; "lmx serve" builds one again.`,
  );
}
