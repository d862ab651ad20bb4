import type { LmxError } from "../../shared/errors.ts";
import type { ReadinessDetail, ReadinessReason, ReadinessState } from "../../shared/readiness.ts";
import { noSlot, refusal } from "../../supervisor/cluster/model/load-errors.ts";
import { publicDetail, publicState } from "../../supervisor/cluster/model/model-view.ts";
import { type ErrorSurface, errorReply } from "../../supervisor/http/error-reply.ts";
import {
  type FailureRecord,
  NO_FAILURES,
  QUARANTINE_DEFAULTS,
} from "../../supervisor/policy/lifecycle/failure-record.ts";
import { type Model, type ModelState, NEW_MODEL } from "../../supervisor/policy/lifecycle/model-state.ts";
import { concurrencyLimit } from "../../supervisor/policy/lifecycle/quarantine.ts";
import { routeRequest } from "../../supervisor/policy/requests/route-request.ts";
import { FakeCluster, fakeModel } from "../http/fake-cluster.ts";
import { testApp } from "../http/test-app.ts";

const NOW = 1_000_000;
const HOLD_MS = 30_000;

const reason: ReadinessReason = { code: "worker_crashed", cause: "native_segv", message: "it died" };
const rule = { rule: "threshold", cause: "native_segv" } as const;
const record = (standing: FailureRecord["standing"]): FailureRecord => ({
  ...NO_FAILURES,
  failures: 3,
  level: 1,
  standing,
});
const kept = (until: number | null) => record({ kind: "quarantined", until, ...rule });
const halfOpen = record({ kind: "half-open", leaseUntil: NOW + 60_000, ...rule });
const probation = record({ kind: "probation", since: NOW, finished: 0 });

const at = (state: ModelState, its = NO_FAILURES): Model => ({ ...NEW_MODEL, state, record: its });
const admitted = (notBefore: number, why: ReadinessReason | null): ModelState => ({
  kind: "admitted",
  reason: why,
  notBefore,
  permit: "none",
});
const UNLOADED: ModelState = { kind: "unloaded", reason: null };
const CHECKING: ModelState = { kind: "checking", attempt: 1 };
const LOADING: ModelState = { kind: "loading", worker: 1 };
const CANARY: ModelState = { kind: "canary", worker: 1 };
const ROUTABLE: ModelState = { kind: "routable", worker: 1 };
const DRAINING: ModelState = { kind: "draining", worker: 1 };
const QUARANTINED: ModelState = {
  kind: "quarantined",
  reason: { ...reason, code: "model_unstable" },
  by: "failures",
};
const REFUSED: ModelState = {
  kind: "quarantined",
  reason: { ...reason, code: "model_incomplete" },
  by: "verdict",
};

interface Situation {
  /** What the public state does not say. */
  readonly words: string;
  readonly model: Model;
  readonly mayStart?: boolean;
  readonly isRestarting?: boolean;
  readonly isStalled?: boolean;
}

/** Every situation a request can find a model in. */
const SITUATIONS: readonly Situation[] = [
  { words: "may be started by a request", model: at(UNLOADED), mayStart: true },
  { words: "may not", model: at(UNLOADED) },
  { words: "being checked", model: at(CHECKING) },
  { words: "waits for its turn", model: at(admitted(NOW, null)) },
  { words: "its next try is within the hold time", model: at(admitted(NOW + 1, reason)) },
  { words: "its next try is in 45 s", model: at(admitted(NOW + 45_000, reason)) },
  { words: "", model: at(LOADING) },
  { words: "", model: at(LOADING, halfOpen) },
  { words: "", model: at(CANARY) },
  { words: "", model: at(ROUTABLE) },
  { words: "", model: at(ROUTABLE, probation) },
  { words: "", model: at(ROUTABLE), isStalled: true },
  { words: "for a restart", model: at(DRAINING), isRestarting: true },
  { words: "may be started by a request", model: at(DRAINING), mayStart: true },
  { words: "may not", model: at(DRAINING) },
  { words: "its time has not passed", model: at(QUARANTINED, kept(NOW + 1)), mayStart: true },
  { words: "its time has passed", model: at(QUARANTINED, kept(NOW - 1)) },
  { words: "by an operator", model: at(QUARANTINED, kept(null)), mayStart: true },
  { words: "by a verdict, such as missing files", model: at(REFUSED), mayStart: true },
];

/** `` `routable` (`probation`) `` */
export function stateCell(model: Model, isStalled = false): string {
  const detail = publicDetail(model, isStalled);
  return `\`${publicState(model)}\`${detail === null ? "" : ` (\`${detail}\`)`}`;
}

/** Status, code and whether to try again, as a client is told. */
export function told(error: LmxError, surface: ErrorSurface = "openai"): string {
  const { status, headers } = errorReply(error, surface);
  const retry = headers["x-should-retry"] === "true" ? `retry after ${headers["retry-after"]} s` : "no retry";
  return `${status} \`${error.code}\`, ${retry}`;
}

/** A row for each situation: the model, what becomes of a request, what `/readyz` says of the model. */
export async function requestRows(): Promise<string[][]> {
  return await Promise.all(
    SITUATIONS.map(async (situation) => {
      const { words, model, isStalled } = situation;
      const state = stateCell(model, isStalled);
      const ready = await readyAnswer(publicState(model), publicDetail(model, isStalled));
      return [words === "" ? state : `${state}, ${words}`, answerTo(situation), ready];
    }),
  );
}

/** The public states there are, by what a request can meet. */
export function statesMet(): ReadonlySet<ReadinessState> {
  return new Set(SITUATIONS.map(({ model }) => publicState(model)));
}

/** States in which a detail is shown. */
export function statesWith(detail: ReadinessDetail): ReadinessState[] {
  const states = [
    UNLOADED,
    CHECKING,
    admitted(NOW, reason),
    LOADING,
    CANARY,
    ROUTABLE,
    DRAINING,
    QUARANTINED,
  ];
  const models = states.flatMap((state) =>
    [NO_FAILURES, halfOpen, probation, kept(NOW)].map((its) => at(state, its)),
  );
  const shown = models.filter((model) => [true, false].some((is) => publicDetail(model, is) === detail));
  return [...new Set(shown.map(publicState))];
}

function answerTo(situation: Situation, now = NOW): string {
  const { model, mayStart = false, isRestarting = false } = situation;
  const decision = routeRequest(model, {
    now,
    wallNow: now,
    numbers: QUARANTINE_DEFAULTS,
    deadline: NOW + HOLD_MS,
    mayStart,
    isRestarting,
  });
  switch (decision.kind) {
    case "serve": {
      const limit = concurrencyLimit(model.record);
      return limit === null
        ? "answered"
        : `answered, ${limit} at a time; others are held, and when the time is up: ${told(noSlot("m"))}`;
    }
    case "hold":
      return `held; when the time is up: ${answerTo(situation, NOW + HOLD_MS)}`;
    case "hold-until-gone":
      return `held, and started when its worker is gone; when the time is up: ${answerTo(situation, NOW + HOLD_MS)}`;
    case "start":
      return "started, then held";
    default:
      return told(refusal("m", decision));
  }
}

async function readyAnswer(state: ReadinessState, detail: ReadinessDetail | null): Promise<string> {
  const { app } = testApp({ cluster: new FakeCluster(fakeModel("demo", { state, detail })) });
  const response = await app.request("/readyz?model=demo");
  const { reason: why } = (await response.json()) as { reason: string | null };
  return why === null ? `${response.status}` : `${response.status} \`${why}\``;
}
