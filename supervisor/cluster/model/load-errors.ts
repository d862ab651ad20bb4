import { ERRORS, type ErrorCode, LmxError, toLmxError } from "../../../shared/errors.ts";
import type { ReadinessReason } from "../../../shared/readiness.ts";
import { RUNTIME_RETRY_MS } from "../../policy/diagnosis/runtime-breaker.ts";
import type { FailureRecord } from "../../policy/lifecycle/failure-record.ts";
import type { Failure } from "../../policy/lifecycle/model-state.ts";
import type { RouteDecision } from "../../policy/requests/route-request.ts";

/** Seconds a client is told to wait when nobody knows how long a load takes. */
const LOADING_RETRY_SECONDS = 5;
const LONGEST_RETRY_SECONDS = 60;

/** Codes that only a load answers with. */
const ADMIN_ONLY: ReadonlySet<string> = new Set<ErrorCode>(["model_loader_crashed", "model_load_timeout"]);

/** The error for a request that a model cannot serve now. */
export function refusal(
  modelId: string,
  decision: Extract<RouteDecision, { kind: `refuse-${string}` }>,
  dossierId: string | null = null,
): LmxError {
  switch (decision.kind) {
    case "refuse-quarantined":
      return reasonError(
        decision.reason,
        `${modelId} is quarantined: ${decision.reason.message}${releaseHint(modelId, decision.reason)}`,
        standingDetails(decision.record, dossierId),
      );
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

/** A request that was in flight at two crashes. */
export function suspectedRequest(modelId: string): LmxError {
  const message = `This request was in flight when the worker of ${modelId} crashed, twice; it is not tried again for an hour.`;
  return new LmxError("request_suspected", message);
}

/** A load that was taken back by a later word. */
export function unloadedMeanwhile(modelId: string): LmxError {
  return new LmxError("model_not_ready", `${modelId} was unloaded while it was loading.`, {
    retryable: false,
  });
}

/** It could be held no longer for others to finish. */
export function noSlot(modelId: string): LmxError {
  const message = `${modelId} serves one request at a time for now and is busy; try again.`;
  return new LmxError("rate_limit_exceeded", message, { retryAfterSeconds: LOADING_RETRY_SECONDS });
}

/** The error for a request whose wish to start the model came to nothing. */
export function startFailure(modelId: string, reason: ReadinessReason): LmxError {
  // How a load died is the business of whoever asked for the load, not of a client.
  if (ADMIN_ONLY.has(reason.code)) return refusal(modelId, { kind: "refuse-not-loaded", reason });
  return reasonError(reason, `${modelId} could not be started: ${reason.message}`);
}

function releaseHint(modelId: string, { code }: ReadinessReason): string {
  return code === "model_unstable" ? `. Release it sooner with: lmx release ${modelId}` : "";
}

function standingDetails(
  { level, failures, standing }: FailureRecord,
  dossierId: string | null,
): Readonly<Record<string, unknown>> {
  if (standing.kind !== "quarantined") return {};
  const until = standing.until === null ? null : new Date(standing.until).toISOString();
  return { level, failures, until, dossier_id: dossierId };
}

/** The error an explicit load answers with. @param dossierId of the model's newest dossier */
export function loadFailure(
  modelId: string,
  { reason, details, class: kind }: Failure,
  dossierId: string | null = null,
): LmxError {
  const isDeath = kind === "crash" || kind === "resource";
  return reasonError(reason, `${modelId} could not be loaded: ${reason.message}`, {
    ...details,
    class: kind,
    ...(isDeath && { dossier_id: dossierId }),
  });
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
  const isBroken = code === "worker_runtime_broken";
  return new LmxError(code, message, {
    details: { cause: reason.cause, ...details },
    ...(isBroken && { retryAfterSeconds: RUNTIME_RETRY_MS / 1000 }),
  });
}
