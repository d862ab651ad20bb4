import { timeoutsSchema } from "../../shared/config.ts";
import type { ReadinessDetail, ReadinessState } from "../../shared/readiness.ts";
import { QUARANTINE_DEFAULTS } from "../../supervisor/policy/lifecycle/failure-record.ts";
import type { SERVICE_REASONS } from "../../supervisor/service/service-status.ts";
import type { Edge } from "./every-edge.ts";

const { probationMs, probationRequests } = QUARANTINE_DEFAULTS;
const { progress_seconds } = timeoutsSchema.parse({});

export const STATE_WORDS: Readonly<Record<ReadinessState, { meaning: string; operator: string }>> = {
  unloaded: {
    meaning: "on disk, no worker; when a failure or a refusal led there, `reason` says which",
    operator: "`lmx load`, `lmx probe`",
  },
  admitted: {
    meaning: "asked for: it is being checked, waits for its turn (one load at a time), or for its next try",
    operator: "wait; `lmx load` does not wait for the next try; `lmx unload` takes it back",
  },
  loading: {
    meaning: "its worker reads the weights",
    operator: "wait, `lmx events --follow`; `lmx unload` takes it back",
  },
  canary_pending: { meaning: "in memory, not proven yet", operator: "wait; `lmx unload` takes it back" },
  routable: { meaning: "proven, and serving", operator: "`lmx unload`, `lmx restart`, `lmx quarantine`" },
  quarantined: {
    meaning: "kept out: by a verdict on its files or runtime, by its failures, or by an operator",
    operator:
      "`lmx dossiers show`, `lmx release`; after a verdict change the files, or load it with an override",
  },
};

export const DETAIL_WORDS: Readonly<Record<ReadinessDetail, string>> = {
  backoff: "its worker died; `next_attempt_at` says when the next one starts",
  half_open: "the one try of a quarantined model; when it fails the model is quarantined again, for longer",
  probation: `back from quarantine: one request at a time, for ${probationMs / 60_000} minutes and ${probationRequests} requests; a failure leads back`,
  draining: "running requests finish, new ones wait for another worker or are refused; `loaded` is false",
  stalled: `it has work and has made no step for a quarter of \`timeouts.progress_seconds\`; after the whole of it (${progress_seconds} s) its worker is ended`,
};

export const SERVICE_WORDS: Readonly<Record<(typeof SERVICE_REASONS)[number], string>> = {
  draining: "the service is stopping",
  safe_mode: "it starts without loading anything, after three unclean ends in a row",
  worker_runtime_broken: "no Python worker can be started; tried again every 30 seconds",
  no_model_routable: "`auto_load` names models, and none of them, nor any other, serves yet",
};

const FAILED = "failed, and it had served or is in auto_load";
const TAKEN_BACK = "failed, and only asked for; runtime broken; taken back";
const THIRD = "third failure in a row; an operator's word";

export const EDGE_WORDS: Readonly<Partial<Record<Edge, string>>> = {
  "unloaded --> admitted": "asked for",
  "unloaded --> quarantined": "an operator's word; back to files that are kept out",
  "admitted --> loading": "checks passed, its turn",
  "admitted --> unloaded": "no memory, no runtime, safe mode; taken back",
  "admitted --> quarantined": "a verdict; an operator's word",
  "loading --> canary_pending": "in memory",
  "loading --> admitted": FAILED,
  "loading --> unloaded": TAKEN_BACK,
  "loading --> quarantined": `a verdict; ${THIRD}`,
  "canary_pending --> routable": "canary passed",
  "canary_pending --> admitted": FAILED,
  "canary_pending --> unloaded": "failed, and only asked for; taken back",
  "canary_pending --> quarantined": THIRD,
  "routable --> admitted": "its worker died",
  "routable --> unloaded": "unloaded, idle, or to make room",
  "routable --> quarantined": THIRD,
  "quarantined --> admitted": "asked for after its time; released; loaded by an operator",
  "quarantined --> unloaded": "other files or another runtime",
};

export const FIELD_WORDS: Readonly<Record<string, string>> = {
  state: "one of the states above",
  detail: "one of the details above, or null",
  "reason.code": "a code of the [errors](errors.md)",
  "reason.cause":
    "one word for what happened: a cause of the list above, the check that refused, an operator's reason",
  "reason.message": "the same in words, with the next step where there is one",
  next_attempt_at: "when the next worker starts, in `backoff`; else null",
  quarantine: "null unless `quarantined`",
  "quarantine.level": "how often failures have quarantined it, less one per clean day; 0 for a verdict",
  "quarantine.until":
    "null: until an operator's word; unless an operator set it, other files or another runtime end it too",
  "quarantine.dossier_id": "its newest dossier; null for a verdict",
};
