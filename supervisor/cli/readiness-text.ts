import type { Readiness } from "../../shared/readiness.ts";
import { minuteOf } from "./compat-query.ts";
import { formatDuration } from "./printable.ts";

/** `routable`, `admitted (backoff)`. */
export function stateText({ state, detail }: Readiness): string {
  return detail === null ? state : `${state} (${detail})`;
}

/** Why a model is in its state and for how long, in short phrases; none when there is nothing to say. */
export function readinessPhrases(readiness: Readiness, now: number): string[] {
  return [...whyPhrases(readiness, now), ...quarantinePhrases(readiness, now)];
}

/** The same as a sentence's end: `quarantined for 13m more, until … (level 1); model_unstable: 3 failures`. */
export function readinessText(readiness: Readiness, now: number): string {
  const quarantine = quarantinePhrases(readiness, now);
  const beginsWithIt = readiness.state === "quarantined" && quarantine.length > 0;
  const phrases = beginsWithIt
    ? [...quarantine, ...whyPhrases(readiness, now)]
    : [stateText(readiness), ...readinessPhrases(readiness, now)];
  return phrases.join("; ");
}

function whyPhrases({ reason, failures, next_attempt_at }: Readiness, now: number): string[] {
  return [
    ...(reason === null ? [] : [`${reason.code}: ${reason.message}`]),
    ...(failures === 0 ? [] : [`${failures} failure${failures === 1 ? "" : "s"} in a row`]),
    ...(next_attempt_at === null ? [] : [attemptText(Date.parse(next_attempt_at) - now)]),
  ];
}

function attemptText(remainingMs: number): string {
  return remainingMs <= 0
    ? "next attempt as soon as there is room"
    : `next attempt in ${formatDuration(remainingMs)}`;
}

/** The level outlives the quarantine: it says how long the next one would be. */
function quarantinePhrases({ state, quarantine }: Readiness, now: number): string[] {
  if (quarantine === null) return [];
  const facts = [
    ...(quarantine.level === 0 ? [] : [`level ${quarantine.level}`]),
    ...(quarantine.dossier_id === null ? [] : [`dossier ${quarantine.dossier_id}`]),
  ];
  if (state !== "quarantined") return facts.length === 0 ? [] : [`quarantine ${facts.join(", ")}`];
  const inBrackets = facts.length === 0 ? "" : ` (${facts.join(", ")})`;
  return [`quarantined ${quarantineEnd(quarantine.until, now)}${inBrackets}`];
}

function quarantineEnd(until: string | null, now: number): string {
  if (until === null) return "until further notice";
  const remainingMs = Date.parse(until) - now;
  if (remainingMs <= 0) return "until somebody asks for it, then tried once";
  return `for ${formatDuration(remainingMs)} more, until ${minuteOf(until)} UTC`;
}
