import type { Failure } from "../lifecycle/model-state.ts";
import { classifyExit, type ExitFacts } from "./failure.ts";

/**
 * What the death of a process says that only read a model's structure. A native crash is a verdict on the files: the
 * load would meet the same bytes. A kill from outside is none: memory was short, or somebody's hand slipped.
 */
export function judgeInspectExit(
  phase: "starting" | "loading",
  exit: Pick<ExitFacts, "code" | "signal" | "stderrTail">,
): Failure {
  const failure = classifyExit({ ...exit, phase, spawnError: null, fatal: null });
  // A verdict of its own, such as an architecture module that ends the process, or a broken runtime.
  if (failure.class === "environment" || failure.class === "deterministic") return failure;
  if (exit.signal === "SIGXCPU") {
    const message = "Reading the model's structure took more processor time than is allowed";
    return { class: "deterministic", reason: { code: "model_incomplete", cause: "inspect_time", message } };
  }
  if (failure.class === "resource") {
    const message =
      exit.signal === "SIGKILL"
        ? "The process that read the model's structure was killed, by the system's memory guard or by hand"
        : failure.reason.message;
    return {
      class: "environment",
      reason: { code: "insufficient_memory", cause: failure.reason.cause, message },
    };
  }
  const how = exit.signal ?? `exit code ${exit.code}`;
  const message = `Reading the model's structure ended the process that tried it (${how}); the load would do the same to the worker`;
  return {
    class: "deterministic",
    reason: { code: "model_incomplete", cause: failure.reason.cause, message },
  };
}
