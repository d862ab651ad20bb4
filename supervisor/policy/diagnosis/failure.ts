import type { ErrorCode } from "../../../shared/errors.ts";
import { plainText } from "../../../shared/plain-text.ts";
import type { Failure } from "../lifecycle/model-state.ts";
import type { CrashCause, RecoveryHint } from "./crash-causes.ts";
import { evidenceOf, findCause } from "./find-cause.ts";
import { lastTraceback } from "./last-traceback.ts";
import type { WorkerPhase } from "./worker-phase.ts";

export type { WorkerPhase } from "./worker-phase.ts";

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
  /** True: the machine's memory was short when it ended; tells the memory guard from a hand. */
  readonly memoryShort?: boolean;
}

/** What happened to a worker that ended by itself, and what can be done about it. */
export interface ExitExplanation {
  readonly failure: Failure;
  /** What an operator can do; null: nothing known. */
  readonly advice: string | null;
  /** What to do before the next try; null: nothing known. */
  readonly hint: RecoveryHint | null;
  /** False: another process is to blame, so nothing should be counted against the model or a request. */
  readonly blamesModel: boolean;
}

/** Class, cause and words for a worker that ended by itself; exit code 0 is a failure too. */
export function classifyExit(facts: ExitFacts): Failure {
  return explainExit(facts).failure;
}

/** The same with advice: the cause is one of `CRASH_CAUSES`, or `exit_<code>` or the signal's name when none fits. */
export function explainExit(facts: ExitFacts): ExitExplanation {
  if (facts.spawnError !== null) {
    const message = `The worker could not be started: ${facts.spawnError}`;
    return { failure: environment("spawn_failed", message), advice: null, hint: "wait", blamesModel: false };
  }
  const row = findCause(facts);
  const failure = failureOf(row?.cause ?? fallbackCause(facts), row, facts);
  return {
    failure,
    advice: row?.advice ?? null,
    hint: row?.hint ?? null,
    blamesModel: failure.class !== "environment" && row?.blameless !== true,
  };
}

function failureOf(cause: string, row: CrashCause | null, facts: ExitFacts): Failure {
  const message = wordsFor(row, facts);
  const failureClass = classOf(row, facts);
  switch (failureClass) {
    case "environment":
      return environment(cause, message);
    case "deterministic":
      return { class: failureClass, reason: { code: row?.code ?? "model_incomplete", cause, message } };
    case "crash":
    case "resource": {
      const code: ErrorCode = facts.phase === "serving" ? "worker_crashed" : "model_loader_crashed";
      return { class: failureClass, reason: { code, cause, message } };
    }
    default:
      return failureClass satisfies never;
  }
}

function classOf(row: CrashCause | null, { phase, signal, fatal }: ExitFacts): Failure["class"] {
  // An exit before `initialize` was answered: no model had been named yet.
  if (phase === "starting" && signal === null && fatal === null) return "environment";
  if (row === null) return "crash";
  // A runtime that has loaded a model works; what it lacks later, it lacks for this model.
  if (row.class === "environment") return phase === "starting" || phase === "loading" ? row.class : "crash";
  if (row.class === "deterministic") return phase === "loading" ? row.class : "crash";
  return row.class;
}

function fallbackCause({ phase, signal, code, fatal }: ExitFacts): string {
  // A word that nobody knows is the worker's own: it would become a label of a metric.
  if (fatal !== null) return "unknown";
  if (signal !== null) return signal.toLowerCase();
  return phase === "starting" ? "startup_failed" : `exit_${code}`;
}

function wordsFor(row: CrashCause | null, { phase, signal, code, fatal, stderrTail }: ExitFacts): string {
  if (fatal !== null) return `The engine failed: ${fatal.message}`;
  if (signal === "SIGKILL") {
    const by = row?.memoryShort ? "while memory was short" : "by the system's memory guard or by hand";
    return `The worker was killed (SIGKILL) ${during(phase)}, ${by}`;
  }
  const evidence = row === null ? null : evidenceOf(row, stderrTail);
  if (signal !== null) {
    return `The worker died of ${signal} ${during(phase)}${evidence === null ? "" : `; it said: ${cut(evidence)}`}`;
  }
  const ended = `The worker ended with exit code ${code} ${during(phase)}`;
  const error = lastTraceback(stderrTail);
  if (error !== null) return `${ended}; ${cut(error.message)} (at ${cut(error.frame)})`;
  return evidence === null ? `${ended}${lastLine(stderrTail)}` : `${ended}; it said: ${cut(evidence)}`;
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
  return line === "" ? "" : `; its last words: ${cut(line)}`;
}

function cut(line: string): string {
  return plainText(line, 300);
}
