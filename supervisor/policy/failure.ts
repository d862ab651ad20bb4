import type { ErrorCode } from "../../shared/errors.ts";
import type { Failure } from "./model-state.ts";

/** How far a worker had come. */
export type WorkerPhase = "starting" | "loading" | "canary" | "serving";

/** What is known about a worker that ended without being asked to. */
export interface ExitFacts {
  readonly phase: WorkerPhase;
  readonly code: number | null;
  readonly signal: string | null;
  /** Why the process could not be started at all. */
  readonly spawnError: string | null;
  /** What the worker said in a `fatal` notification before it left. */
  readonly fatal: { readonly cause: string; readonly message: string } | null;
  readonly stderrTail: string;
}

/** Class, cause and words for a worker that ended by itself; exit code 0 is a failure too. */
export function classifyExit(facts: ExitFacts): Failure {
  const code: ErrorCode = facts.phase === "serving" ? "worker_crashed" : "model_loader_crashed";
  if (facts.spawnError !== null) {
    return environment("spawn_failed", `The worker could not be started: ${facts.spawnError}`);
  }
  if (facts.fatal !== null) {
    return {
      class: "crash",
      reason: { code, cause: facts.fatal.cause, message: `The engine failed: ${facts.fatal.message}` },
    };
  }
  if (facts.signal === "SIGKILL") {
    const message = `The worker was killed (SIGKILL) ${during(facts.phase)}, by the system's memory guard or by hand`;
    return { class: "resource", reason: { code, cause: "killed_external", message } };
  }
  if (facts.signal !== null) {
    return {
      class: "crash",
      reason: {
        code,
        cause: facts.signal.toLowerCase(),
        message: `The worker died of ${facts.signal} ${during(facts.phase)}`,
      },
    };
  }
  if (facts.phase === "starting") {
    return environment(
      "startup_failed",
      `The worker ended with exit code ${facts.code} before it was ready${lastLine(facts.stderrTail)}`,
    );
  }
  const message = `The worker ended with exit code ${facts.code} ${during(facts.phase)}${lastLine(facts.stderrTail)}`;
  return { class: "crash", reason: { code, cause: `exit_${facts.code}`, message } };
}

/** Codes a worker may answer to `load` that are a verdict on the model's files. */
const VERDICTS: ReadonlySet<string> = new Set<ErrorCode>([
  "model_incomplete",
  "model_unsupported_arch",
  "model_unsupported_backend",
]);

/** An error a worker answered while it started or loaded: a verdict on the model, a broken runtime, or a failure that counts. */
export function classifyAnswer(
  phase: "starting" | "loading" | "canary",
  word: string,
  message: string,
): Failure {
  if (phase === "starting") return environment("handshake_refused", message);
  if (VERDICTS.has(word)) return { class: "deterministic", reason: { code: word, cause: word, message } };
  if (word === "insufficient_memory")
    return { class: "resource", reason: { code: word, cause: "out_of_memory", message } };
  if (phase === "canary")
    return { class: "crash", reason: { code: "model_canary_failed", cause: "canary_error", message } };
  return { class: "crash", reason: { code: "model_loader_crashed", cause: "load_error", message } };
}

/** A worker that did not answer in time and has to be ended. */
export function classifyTimeout(phase: "starting" | "loading" | "canary", message: string): Failure {
  if (phase === "starting") return environment("handshake_timeout", message);
  if (phase === "canary")
    return { class: "crash", reason: { code: "model_canary_failed", cause: "canary_timeout", message } };
  return { class: "crash", reason: { code: "model_load_timeout", cause: "load_timeout", message } };
}

function environment(cause: string, message: string): Failure {
  return { class: "environment", reason: { code: "worker_runtime_broken", cause, message } };
}

function during(phase: WorkerPhase): string {
  switch (phase) {
    case "starting":
      return "while it started";
    case "loading":
      return "while it loaded the model";
    case "canary":
      return "during the canary";
    case "serving":
      return "while it served";
    default:
      return phase satisfies never;
  }
}

function lastLine(stderr: string): string {
  const line = stderr.trimEnd().split("\n").at(-1)?.trim() ?? "";
  return line === "" ? "" : `; its last words: ${line.slice(0, 300)}`;
}
