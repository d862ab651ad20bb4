import type { Check, LoadResult } from "../../../shared/admin.ts";
import type { Readiness } from "../../../shared/readiness.ts";
import type { LoadEvidence } from "../../workers/load-worker.ts";
import type { AdmissionReport } from "../admission/model-admission.ts";

/**
 * What a load answers with when the model serves.
 * @param admitted what the check before it found
 * @param evidence what the load and the canary showed; null: its worker is gone by now
 */
export function loadResult(
  modelId: string,
  readiness: Readiness,
  admitted: AdmissionReport | null,
  evidence: LoadEvidence | null,
): LoadResult {
  return {
    model_id: modelId,
    readiness,
    load_seconds: evidence?.loaded.load_seconds ?? null,
    memory_bytes: evidence?.loaded.memory_bytes ?? null,
    checks: loadChecks(admitted, evidence),
  };
}

/** What was found of a load, before it and by its canary. */
export function loadChecks(admitted: AdmissionReport | null, evidence: LoadEvidence | null): Check[] {
  return [...(admitted?.result.checks ?? []), ...(evidence === null ? [] : [canaryCheck(evidence)])];
}

function canaryCheck({ warning }: LoadEvidence): Check {
  return {
    name: "canary",
    status: warning === null ? "pass" : "warn",
    detail: warning ?? "the canary answered",
    expected: null,
    next_step: null,
  };
}
