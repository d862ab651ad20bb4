import { ERRORS, type ErrorCode, LmxError, toLmxError } from "../../shared/errors.ts";
import type { ReadinessReason } from "../../shared/readiness.ts";
import type { HoldDecision } from "../policy/hold.ts";
import type { Failure } from "../policy/model-state.ts";

/** Seconds a client is told to wait when nobody knows how long a load takes. */
const LOADING_RETRY_SECONDS = 5;
const LONGEST_RETRY_SECONDS = 60;

/** The error for a request that a model cannot serve now. */
export function refusal(
  modelId: string,
  decision: Extract<HoldDecision, { kind: `refuse-${string}` }>,
): LmxError {
  switch (decision.kind) {
    case "refuse-quarantined":
      return reasonError(decision.reason, `${modelId} is quarantined: ${decision.reason.message}`);
    case "refuse-coming": {
      const seconds = decision.readyInMs > 0 ? Math.ceil(decision.readyInMs / 1000) : LOADING_RETRY_SECONDS;
      const why = decision.reason === null ? "" : ` after a failure (${decision.reason.message})`;
      return new LmxError("model_not_ready", `${modelId} is being loaded${why}; try again in ${seconds} s.`, {
        retryAfterSeconds: Math.min(seconds, LONGEST_RETRY_SECONDS),
      });
    }
    case "refuse-not-loaded": {
      const why = decision.reason === null ? "" : ` Its last attempt failed: ${decision.reason.message}.`;
      return new LmxError(
        "model_not_ready",
        `${modelId} is not loaded.${why} Load it with: lmx load ${modelId}`,
        {
          retryable: false,
        },
      );
    }
    default:
      return decision satisfies never;
  }
}

/** The error an explicit load answers with. */
export function loadFailure(modelId: string, { reason, details }: Failure): LmxError {
  return reasonError(reason, `${modelId} could not be loaded: ${reason.message}`, details);
}

/** An admission check that could not be done: no runtime, or a bug of ours. Nothing is held against the model. */
export function admissionError(error: unknown): Failure {
  const { code, message } = toLmxError(error);
  return { class: "environment", reason: { code, cause: "check_failed", message } };
}

function reasonError(
  reason: ReadinessReason,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): LmxError {
  const code: ErrorCode = Object.hasOwn(ERRORS, reason.code) ? (reason.code as ErrorCode) : "internal_error";
  return new LmxError(code, message, { details: { cause: reason.cause, ...details } });
}
