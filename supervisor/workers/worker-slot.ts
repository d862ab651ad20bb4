import type { CatalogueEntry } from "../models/catalogue-entry.ts";
import {
  classifyExit,
  type ExitExplanation,
  type ExitFacts,
  explainExit,
  type WorkerPhase,
} from "../policy/diagnosis/failure.ts";
import type { Failure } from "../policy/lifecycle/model-state.ts";
import type { WorkerExit } from "./worker-process.ts";
import type { WorkerSession } from "./worker-session.ts";
import type { WorkerWatch } from "./worker-watch.ts";

/** One worker of a model, from the moment its process exists. */
export interface WorkerSlot {
  readonly session: WorkerSession;
  readonly entry: CatalogueEntry;
  /** Of the model's failure record, for the intent; null: not known. */
  readonly key: string | null;
  readonly watch: WorkerWatch;
  phase: WorkerPhase;
  /** Processes the kernel had killed for want of memory when it was last seen alive; null: not known. */
  oomKills: number | null;
  /** It was told to end: whatever it does until then is no failure. */
  isLeaving: boolean;
  /** Why it had to be ended, when it failed while it still lived. */
  failure: Failure | null;
  /** Name of the dossier of its failure; null: it has not failed, or that was no death. */
  dossierId: string | null;
}

/** How a worker ended. */
export interface SlotExit {
  readonly explained: ExitExplanation;
  /** What is held against the model for it. */
  readonly failure: Failure;
  /** Why it is gone, whether it ended by itself or had to be ended; null: it was asked to leave. */
  readonly reason: Failure | null;
}

/** @param oomKills processes the kernel has killed for want of memory until now; null: not known */
export function explainSlotExit(slot: WorkerSlot, exit: WorkerExit, oomKills: number | null): SlotExit {
  const memoryShort = oomKills !== null && slot.oomKills !== null && oomKills > slot.oomKills;
  const explained = explainExit({ ...factsOf(slot.phase, exit, slot.session.fatal), memoryShort });
  const failure = explained.blamesModel ? explained.failure : { ...explained.failure, counts: false };
  return { explained, failure, reason: slot.failure ?? (exit.intent === null ? failure : null) };
}

/** Why there is no process at all. */
export function spawnFailure(spawnError: NodeJS.ErrnoException): Failure {
  const exit = { code: null, signal: null, stderrTail: "", spawnError };
  return classifyExit(factsOf("starting", exit, null));
}

function factsOf(
  phase: WorkerPhase,
  { code, signal, spawnError, stderrTail }: Omit<WorkerExit, "intent">,
  fatal: WorkerSession["fatal"],
): ExitFacts {
  return { phase, code, signal, spawnError: spawnError?.message ?? null, fatal, stderrTail };
}
