/** What is known about a request whose worker just died. */
export interface LostRequest {
  /** The client has seen a content event. */
  readonly begun: boolean;
  /** It was already sent to a second worker. */
  readonly replayed: boolean;
  /** The model will be brought back. */
  readonly comingBack: boolean;
  readonly clientGone: boolean;
  /** It was suspected of a crash already when it was sent to this worker. */
  readonly isSuspect: boolean;
}

export type LostRequestDecision = "drop" | "replay" | "fail";

/**
 * The one place that decides what becomes of a request in flight when its worker dies: replayed once when nothing of
 * the answer was sent, otherwise ended with one error. Continuing a begun stream will be decided here too.
 */
export function decideLostRequest(lost: LostRequest): LostRequestDecision {
  if (lost.clientGone) return "drop";
  if (lost.begun || lost.replayed || lost.isSuspect || !lost.comingBack) return "fail";
  return "replay";
}
