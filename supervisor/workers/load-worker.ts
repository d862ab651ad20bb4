import { ZodError } from "zod";
import type { ModelSettings, Timeouts } from "../../shared/config.ts";
import type { LoadProgress, MethodResult } from "../../shared/worker-protocol.ts";
import { classifyAnswer, classifyTimeout } from "../policy/diagnosis/failure.ts";
import type { Failure } from "../policy/lifecycle/model-state.ts";
import { type CanaryVerdict, judgeCanary } from "../policy/watch/canary.ts";
import { RpcError, RpcLostError } from "../rpc/peer.ts";
import { suspendAwareTimer } from "../rpc/suspend-aware-timer.ts";
import { describeShape } from "./describe-shape.ts";
import type { WorkerSession } from "./worker-session.ts";

/** What the newest load and canary of a model showed. */
export interface LoadEvidence {
  readonly versions: MethodResult<"initialize">["versions"];
  readonly loaded: MethodResult<"load">;
  readonly canary: MethodResult<"canary"> | null;
  readonly warning: string | null;
}

/** How a phase of a worker's start went. `gone`: the worker died, its exit tells the rest. */
export type PhaseOutcome<T> =
  | { readonly kind: "done"; readonly result: T }
  | { readonly kind: "failed"; readonly failure: Failure; readonly hung: boolean }
  | { readonly kind: "gone" };

export interface LoadTarget {
  readonly modelId: string;
  readonly path: string;
  readonly settings: ModelSettings;
  /** What the caches of all rows may take; null: no limit. */
  readonly cacheBudgetBytes: number | null;
}

const CANARY_TOKENS = 16;

/** Handshake and load, bounded by the stall and cap of a load: progress extends the one, nothing the other. */
export async function loadWorker(
  session: WorkerSession,
  target: LoadTarget,
  timeouts: Timeouts,
  onLoading: () => Promise<void> | void,
  onProgress: (progress: LoadProgress) => void = () => {},
): Promise<PhaseOutcome<MethodResult<"load">>> {
  const hello = await phase("starting", session.initialize(timeouts.initialize_seconds * 1000));
  if (hello.kind !== "done") return hello;
  await onLoading();
  const params = {
    model_id: target.modelId,
    path: target.path,
    max_context_tokens: target.settings.context_tokens ?? null,
    max_concurrency: target.settings.max_concurrency,
    ...(target.settings.trust_code ? { trust_code: true } : {}),
    ...(target.cacheBudgetBytes === null ? {} : { cache_budget_bytes: target.cacheBudgetBytes }),
    ...(target.settings.tool_parser === undefined ? {} : { tool_parser: target.settings.tool_parser }),
  };
  const stall = stallWatch(session, timeouts.load_stall_seconds * 1000, onProgress);
  try {
    return await phase(
      "loading",
      Promise.race([session.load(params, timeouts.load_cap_seconds * 1000), stall.stalled]),
    );
  } finally {
    stall.stop();
  }
}

export interface CanaryReport {
  readonly verdict: CanaryVerdict;
  readonly evidence: MethodResult<"canary">;
}

/** The canary of a loaded worker and what it is worth. */
export async function runCanary(
  session: WorkerSession,
  settings: ModelSettings,
  timeouts: Timeouts,
): Promise<PhaseOutcome<CanaryReport>> {
  const params = { prompt: settings.canary?.prompt ?? null, max_tokens: CANARY_TOKENS };
  const answer = await phase("canary", session.canary(params, timeouts.canary_seconds * 1000));
  if (answer.kind !== "done") return answer;
  const evidence = answer.result;
  const verdict = judgeCanary(evidence, settings.canary ?? null);
  if (verdict.kind === "pass") return { kind: "done", result: { verdict, evidence } };
  const message = `The canary failed: ${verdict.message}`;
  return {
    kind: "failed",
    failure: { class: "crash", reason: { code: "model_canary_failed", cause: verdict.cause, message } },
    hung: false,
  };
}

async function phase<T>(name: "starting" | "loading" | "canary", work: Promise<T>): Promise<PhaseOutcome<T>> {
  try {
    return { kind: "done", result: await work };
  } catch (error) {
    if (error instanceof RpcLostError && error.kind === "closed") return { kind: "gone" };
    if (error instanceof RpcLostError)
      return { kind: "failed", failure: classifyTimeout(name, error.message), hung: true };
    const word =
      error instanceof RpcError && typeof error.data.code === "string"
        ? error.data.code
        : "protocol_violation";
    const message = error instanceof ZodError ? describeShape(error) : String((error as Error).message);
    return { kind: "failed", failure: classifyAnswer(name, word, message), hung: false };
  }
}

/** Rejects when no progress was reported for `stallMs`. */
function stallWatch(
  session: WorkerSession,
  stallMs: number,
  onProgress: (progress: LoadProgress) => void,
): { stalled: Promise<never>; stop(): void } {
  let forget = () => {};
  const stalled = new Promise<never>((_, reject) => {
    const rearm = () => {
      forget();
      forget = suspendAwareTimer(stallMs, () =>
        reject(new RpcLostError("timeout", `load made no progress for ${stallMs} ms`)),
      );
    };
    session.onProgress = (progress) => {
      rearm();
      onProgress(progress);
    };
    rearm();
  });
  stalled.catch(() => {});
  return { stalled, stop: () => forget() };
}
