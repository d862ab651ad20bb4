import type { Timeouts } from "../../shared/config.ts";
import {
  type MethodParams,
  type ModelStructure,
  modelStructureSchema,
} from "../../shared/worker-protocol.ts";
import { classifyAnswer, classifyTimeout } from "../policy/diagnosis/failure.ts";
import { judgeInspectExit } from "../policy/diagnosis/inspect-exit.ts";
import type { Failure } from "../policy/lifecycle/model-state.ts";
import { RpcError, RpcLostError } from "../rpc/peer.ts";
import { describeShape } from "./describe-shape.ts";
import type { WorkerSession } from "./worker-session.ts";

export type Inspection =
  | { readonly kind: "structure"; readonly structure: ModelStructure }
  | { readonly kind: "refused"; readonly failure: Failure };

export interface InspectOrder {
  /** Starts a worker process. */
  launch(): Promise<WorkerSession>;
  readonly params: MethodParams<"inspect">;
  readonly timeouts: Timeouts;
  readonly signal: AbortSignal;
}

/**
 * Loads a model's structure in a process of its own, which is thrown away: every name and shape is compared with the
 * architecture, and no weight is read. Whatever becomes of that process is an answer.
 *
 * @throws the signal's reason when it aborts
 */
export async function inspectInWorker(order: InspectOrder): Promise<Inspection> {
  const { params, timeouts, signal } = order;
  signal.throwIfAborted();
  let session: WorkerSession;
  try {
    session = await order.launch();
  } catch (error) {
    return refused(startFailure((error as Error).message));
  }
  const abandon = () => void session.kill("the check was abandoned");
  signal.addEventListener("abort", abandon, { once: true });
  try {
    signal.throwIfAborted();
    await session.initialize(timeouts.initialize_seconds * 1000);
    const answer = await session.inspect(params, timeouts.inspect_seconds * 1000);
    return { kind: "structure", structure: modelStructureSchema.parse(answer) };
  } catch (error) {
    signal.throwIfAborted();
    return refused(await failureOf(session, error));
  } finally {
    signal.removeEventListener("abort", abandon);
    // It holds nothing worth an orderly end.
    await session.kill("the check is over");
  }
}

async function failureOf(session: WorkerSession, error: unknown): Promise<Failure> {
  const phase = session.initialized === null ? "starting" : "loading";
  if (error instanceof RpcError)
    return onlyVerdicts(
      classifyAnswer(phase, String(error.data.code ?? "protocol_violation"), error.message),
    );
  if (error instanceof RpcLostError && error.kind === "closed") {
    const exit = await session.exited;
    return exit.intent === null
      ? judgeInspectExit(phase, exit)
      : startFailure(`The worker was ended: ${exit.intent}`);
  }
  if (error instanceof RpcLostError) return onlyVerdicts(classifyTimeout(phase, error.message));
  return startFailure(describeShape(error));
}

/** A look at a model counts nothing against it: what is no verdict may be another way next time. */
function onlyVerdicts(failure: Failure): Failure {
  return failure.class === "deterministic" ? failure : { class: "environment", reason: failure.reason };
}

function startFailure(message: string): Failure {
  return {
    class: "environment",
    reason: { code: "worker_runtime_broken", cause: "inspect_failed", message },
  };
}

function refused(failure: Failure): Inspection {
  return { kind: "refused", failure };
}
