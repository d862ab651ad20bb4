import type { ReadinessState } from "../../shared/readiness.ts";
import { publicState } from "../../supervisor/cluster/model/model-view.ts";
import { NO_FAILURES, QUARANTINE_DEFAULTS } from "../../supervisor/policy/lifecycle/failure-record.ts";
import {
  currentWorker,
  type Failure,
  type Model,
  type ModelEvent,
  type Moment,
  NEW_MODEL,
} from "../../supervisor/policy/lifecycle/model-state.ts";
import { quarantineByOperator } from "../../supervisor/policy/lifecycle/quarantine.ts";
import { transition } from "../../supervisor/policy/lifecycle/transition.ts";

/** One public state after another. */
export type Edge = `${ReadinessState} --> ${ReadinessState}`;

const SOON: Moment = { now: 0, wallNow: 1_700_000_000_000, numbers: QUARANTINE_DEFAULTS, random: 0.5 };
/** Every delay and every quarantine that ends by itself is over. */
const LATE: Moment = { ...SOON, now: 86_400_000, wallNow: SOON.wallNow + 2 * 86_400_000 };

/** Files that had failed before. */
const KEPT_OUT = quarantineByOperator(NO_FAILURES, "a word", SOON.wallNow).record;

const failure = (kind: Failure["class"]): Failure => ({
  class: kind,
  reason: { code: "model_loader_crashed", cause: kind, message: kind },
});
const COUNTED = (["crash", "resource"] as const).map(failure);
const NOT_COUNTED = (["deterministic", "environment"] as const).map(failure);

/** Every change of the public state that a model can make, found by letting everything happen in every state. */
export function everyEdge(): Edge[] {
  const edges = new Set<Edge>();
  const seen = new Set<string>();
  const open: Model[] = [NEW_MODEL];
  for (let model = open.pop(); model !== undefined; model = open.pop()) {
    for (const event of eventsFor(model))
      for (const moment of [SOON, LATE]) {
        const next = transition(model, event, moment).model;
        const [from, to] = [publicState(model), publicState(next)];
        if (from !== to) edges.add(`${from} --> ${to}`);
        const kind = kindOf(next);
        if (seen.has(kind)) continue;
        seen.add(kind);
        open.push(next);
      }
  }
  return [...edges].toSorted();
}

/** What may become of two models is the same when this is. */
function kindOf({ state, record, wanted, leaving }: Model): string {
  const { standing, failures, level } = record;
  const endsByItself = standing.kind === "quarantined" && standing.until !== null;
  const inner = [state.kind, "permit" in state && state.permit, "by" in state && state.by];
  const history = [standing.kind, endsByItself, Math.min(failures, 4), Math.min(level, 2)];
  return JSON.stringify([inner, history, wanted, leaving !== null]);
}

function eventsFor({ state, lastCheck: attempt, leaving }: Model): ModelEvent[] {
  const worker = currentWorker(state) ?? leaving ?? 0;
  // What is no crash can only be said of a model that was never in memory.
  const possible = state.kind === "loading" ? [...COUNTED, ...NOT_COUNTED] : COUNTED;
  return [
    ...(["operator", "auto-load", "request"] as const).map((by) => ({ kind: "load-asked" as const, by })),
    { kind: "admission-passed", attempt },
    ...NOT_COUNTED.map((why) => ({ kind: "admission-refused" as const, attempt, failure: why })),
    { kind: "unload-asked" },
    { kind: "idle", worker },
    { kind: "release-asked" },
    { kind: "quarantine-asked", reason: "a word" },
    { kind: "key-changed", record: NO_FAILURES },
    { kind: "key-changed", record: KEPT_OUT },
    { kind: "permit-granted" },
    { kind: "permit-granted", filesChanged: true },
    { kind: "retry-due" },
    { kind: "loaded", worker },
    { kind: "canary-passed", worker },
    { kind: "drained", worker },
    ...possible.map((why) => ({ kind: "failed" as const, worker, failure: why, hung: false })),
    ...possible.map((why) => ({ kind: "exited" as const, worker, failure: why })),
  ];
}
