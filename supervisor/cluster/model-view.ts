import type { ModelCapabilities } from "../../shared/admin.ts";
import type { Readiness, ReadinessDetail, ReadinessReason, ReadinessState } from "../../shared/readiness.ts";
import type { MethodResult } from "../../shared/worker-protocol.ts";
import type { Model } from "../policy/model-state.ts";

/**
 * The public words for a model's inner state.
 *
 * @param since when the state began
 * @param toDate turns a reading of the monotonic clock into a date
 */
export function readinessOf(model: Model, since: Date, toDate: (monotonicMs: number) => Date): Readiness {
  return {
    state: publicState(model),
    detail: publicDetail(model),
    since: since.toISOString(),
    reason: publicReason(model),
    failures: model.failures,
    next_attempt_at:
      model.state.kind === "admitted" && model.state.reason !== null
        ? toDate(model.state.notBefore).toISOString()
        : null,
    quarantine: model.state.kind === "quarantined" ? { level: 0, until: null, dossier_id: null } : null,
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

function publicState({ state }: Model): ReadinessState {
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

function publicDetail({ state }: Model): ReadinessDetail | null {
  if (state.kind === "draining") return "draining";
  return state.kind === "admitted" && state.reason !== null ? "backoff" : null;
}

function publicReason({ state }: Model): ReadinessReason | null {
  return "reason" in state ? state.reason : null;
}
