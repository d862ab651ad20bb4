import type { ModelCapabilities } from "../../../shared/admin.ts";
import type {
  Readiness,
  ReadinessDetail,
  ReadinessReason,
  ReadinessState,
} from "../../../shared/readiness.ts";
import type { MethodResult } from "../../../shared/worker-protocol.ts";
import type { Model } from "../../policy/lifecycle/model-state.ts";

/**
 * The public words for a model's inner state.
 *
 * @param since when the state began
 * @param toDate turns a reading of the monotonic clock into a date
 * @param isStalled its worker has work and has made no step for a while
 * @param dossierId of its newest dossier
 */
export function readinessOf(
  model: Model,
  since: Date,
  toDate: (monotonicMs: number) => Date,
  isStalled = false,
  dossierId: string | null = null,
): Readiness {
  return {
    state: publicState(model),
    detail: publicDetail(model, isStalled),
    since: since.toISOString(),
    reason: publicReason(model),
    failures: model.record.failures,
    next_attempt_at:
      model.state.kind === "admitted" && model.state.reason !== null
        ? toDate(model.state.notBefore).toISOString()
        : null,
    quarantine: quarantineOf(model, dossierId),
  };
}

/** What a loaded model can do. Without a word of the worker about it, chat is assumed: its canary has answered. */
export function capabilitiesOf(loaded: MethodResult<"load">): ModelCapabilities {
  return {
    completion: true,
    chat: loaded.has_chat_template ?? true,
    tools: loaded.tool_parser !== null,
    reasoning: loaded.has_thinking,
    fill: loaded.can_fill ?? false,
  };
}

/** The public word for where a model is. */
export function publicState({ state }: Model): ReadinessState {
  switch (state.kind) {
    case "checking":
      // Never shown as unloaded: somebody waits for it.
      return "admitted";
    case "canary":
      return "canary_pending";
    case "draining":
      return "routable";
    default:
      return state.kind;
  }
}

/** What there is to add to the public state. */
export function publicDetail({ state, record }: Model, isStalled = false): ReadinessDetail | null {
  switch (state.kind) {
    case "draining":
      return "draining";
    case "routable":
      if (isStalled) return "stalled";
      return record.standing.kind === "probation" ? "probation" : null;
    case "checking":
    case "admitted":
    case "loading":
    case "canary":
      if (record.standing.kind === "quarantined" || record.standing.kind === "half-open") return "half_open";
      return state.kind === "admitted" && state.reason !== null ? "backoff" : null;
    case "unloaded":
    case "quarantined":
      return null;
    default:
      return state satisfies never;
  }
}

function quarantineOf({ state, record }: Model, dossierId: string | null): Readiness["quarantine"] {
  if (state.kind !== "quarantined") return null;
  const { standing, level } = record;
  const until = state.by === "failures" && standing.kind === "quarantined" ? standing.until : null;
  return {
    level: state.by === "failures" ? level : 0,
    until: until === null ? null : new Date(until).toISOString(),
    dossier_id: state.by === "failures" ? dossierId : null,
  };
}

function publicReason({ state }: Model): ReadinessReason | null {
  return "reason" in state ? state.reason : null;
}
