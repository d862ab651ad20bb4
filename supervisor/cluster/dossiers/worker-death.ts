import type { LoadProgress } from "../../../shared/worker-protocol.ts";
import type { WorkerDeath } from "../../policy/diagnosis/dossier.ts";
import { adviceFor } from "../../policy/diagnosis/dossier-advice.ts";
import type { MemoryHistory } from "../../policy/diagnosis/dossier-memory.ts";
import type { ExitExplanation, WorkerPhase } from "../../policy/diagnosis/failure.ts";
import type { Failure } from "../../policy/lifecycle/model-state.ts";
import type { EventDraft, EventSink } from "../../telemetry/event-log.ts";
import type { WorkerExit } from "../../workers/worker-process.ts";
import type { WorkerSession } from "../../workers/worker-session.ts";

/** Progress of a load is told at most this often. Milliseconds. */
const PROGRESS_MS = 1_000;

/** A worker that is gone. */
export interface GoneWorker {
  readonly entry: { readonly id: string };
  readonly session: Pick<WorkerSession, "pid" | "startedAt" | "initialized">;
  readonly watch: { readonly memory: MemoryHistory };
  readonly phase: WorkerPhase;
  /** Why it had to be ended, when it failed while it still lived. */
  readonly failure: Failure | null;
  readonly dossierId: string | null;
}

/**
 * What is known of a death; null: it is none, the worker was asked to leave.
 * @param explained by how it ended, which says little of a worker that had to be ended
 * @param failure what is held against the model for it
 */
export function deathOf(
  { entry, session, watch, phase, failure: ended, dossierId: id }: GoneWorker,
  { code, signal, intent, stderrTail }: WorkerExit,
  explained: Pick<ExitExplanation, "advice" | "hint">,
  failure: Failure,
  memoryCapBytes: number | null,
): WorkerDeath | null {
  if (id === null) return null;
  const known = ended === null ? explained : adviceFor(ended.reason.cause);
  return {
    id,
    model: entry.id,
    at: Date.now(),
    phase,
    failure: ended ?? failure,
    advice: known?.advice ?? null,
    recovery: known?.hint ?? null,
    signal,
    exitCode: code,
    intent,
    pid: session.pid,
    startedAt: session.startedAt,
    memory: watch.memory,
    memoryCapBytes,
    versions: session.initialized?.versions ?? {},
    stderrTail,
  };
}

/** @param failure null: it left because it was asked to */
export function exitEvent(
  { entry, session, phase, dossierId }: GoneWorker,
  { code, signal, intent }: WorkerExit,
  failure: Failure | null,
): EventDraft {
  const details = {
    pid: session.pid,
    phase,
    class: failure?.class ?? null,
    cause: failure?.reason.cause ?? "stopped",
    signal,
    exit_code: code,
    ended_by: intent,
    dossier_id: dossierId,
  };
  return { type: "worker_exited", model: entry.id, reason: failure?.reason ?? null, details };
}

/** Tells the progress of one load, not every step of it. @param now monotonic milliseconds */
export function progressTeller(
  modelId: string,
  events: EventSink,
  now: () => number,
): (progress: LoadProgress) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (progress) => {
    if (now() - toldAt < PROGRESS_MS) return;
    toldAt = now();
    events.emit({ type: "load_progress", model: modelId, details: { ...progress } });
  };
}
