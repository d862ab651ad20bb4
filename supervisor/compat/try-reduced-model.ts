import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { REDUCED_PREFIX } from "../../shared/admin-sweep.ts";
import { modelSettingsSchema, type Timeouts } from "../../shared/config.ts";
import { classifyExit, type WorkerPhase } from "../policy/diagnosis/failure.ts";
import type { Failure } from "../policy/lifecycle/model-state.ts";
import { holdLoadPermit } from "../workers/hold-load-permit.ts";
import type { LoadQueue } from "../workers/load-queue.ts";
import {
  type LoadEvidence,
  type LoadTarget,
  loadWorker,
  type PhaseOutcome,
  runCanary,
} from "../workers/load-worker.ts";
import type { WorkerExit } from "../workers/worker-process.ts";
import type { WorkerSession } from "../workers/worker-session.ts";
import { reducedDigest } from "./reduced-digest.ts";
import type { ReducedBuild } from "./reduced-models.ts";

/** What one try of one architecture needs. */
export interface TryPorts {
  /** Writes a small model of the architecture to the directory, which is empty and private. */
  build(arch: string, directory: string, signal: AbortSignal): Promise<ReducedBuild>;
  /** Starts a worker process that nobody else uses. */
  launch(): Promise<WorkerSession>;
  readonly loads: Pick<LoadQueue, "ask">;
  readonly timeouts: Timeouts;
  /** Directory for what is built; nothing of it stays. */
  readonly scratch: string;
}

/** How far one architecture came. */
export type Attempt =
  | { readonly kind: "not-built"; readonly message: string }
  | { readonly kind: "failed"; readonly failure: Failure; readonly digest: string }
  | { readonly kind: "passed"; readonly evidence: LoadEvidence; readonly digest: string };

/**
 * Builds a reduced model, loads and canaries it in a process of its own, and takes both away again. A load of a real
 * model goes first or waits: there is one load at a time.
 * @throws the signal's reason; the file system's error
 */
export async function tryReducedModel(arch: string, ports: TryPorts, signal: AbortSignal): Promise<Attempt> {
  const directory = await mkdtemp(join(ports.scratch, "reduced-"));
  try {
    const build = await ports.build(arch, directory, signal);
    if (build.kind === "failed") return { kind: "not-built", message: `${build.type}: ${build.message}` };
    const digest = await reducedDigest(build.path);
    const target = targetOf(arch, build.path);
    const outcome = await holdLoadPermit(ports.loads, signal, () => loadOnce(target, ports, signal));
    return { ...outcome, digest };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

type LoadOutcome =
  | { readonly kind: "failed"; readonly failure: Failure }
  | { readonly kind: "passed"; readonly evidence: LoadEvidence };

function targetOf(arch: string, path: string): LoadTarget {
  const settings = modelSettingsSchema.parse({});
  return { modelId: `${REDUCED_PREFIX}${arch}`, path, settings, cacheBudgetBytes: null };
}

/** Resolves when the worker is gone. */
async function loadOnce(target: LoadTarget, ports: TryPorts, signal: AbortSignal): Promise<LoadOutcome> {
  let session: WorkerSession;
  try {
    session = await ports.launch();
  } catch (error) {
    return exitFailure("starting", notStarted(error as NodeJS.ErrnoException), null);
  }
  const abandon = () => void session.kill("the sweep was cancelled");
  signal.addEventListener("abort", abandon, { once: true });
  if (signal.aborted) abandon();
  let how: "orderly" | "hung" = "orderly";
  try {
    const outcome = await loadAndCanary(session, target, ports.timeouts);
    signal.throwIfAborted();
    if (outcome.kind === "hung") how = "hung";
    return outcome.kind === "hung" ? { kind: "failed", failure: outcome.failure } : outcome;
  } finally {
    signal.removeEventListener("abort", abandon);
    await session.stop(how, "the try is over");
  }
}

async function loadAndCanary(
  session: WorkerSession,
  target: LoadTarget,
  timeouts: Timeouts,
): Promise<LoadOutcome | { readonly kind: "hung"; readonly failure: Failure }> {
  let phase: WorkerPhase = "starting";
  const loaded = await loadWorker(session, target, timeouts, () => {
    phase = "loading";
  });
  if (loaded.kind !== "done") return await failureOf(session, loaded, phase);
  const canary = await runCanary(session, target.settings, timeouts);
  if (canary.kind !== "done") return await failureOf(session, canary, "canary");
  const { evidence, verdict } = canary.result;
  const versions = session.initialized?.versions;
  if (versions === undefined) throw new Error("a worker loaded without a handshake");
  const warning = verdict.kind === "pass" ? verdict.warning : null;
  return { kind: "passed", evidence: { versions, loaded: loaded.result, canary: evidence, warning } };
}

async function failureOf(
  session: WorkerSession,
  outcome: Exclude<PhaseOutcome<unknown>, { kind: "done" }>,
  phase: WorkerPhase,
): Promise<LoadOutcome | { readonly kind: "hung"; readonly failure: Failure }> {
  if (outcome.kind === "gone") return exitFailure(phase, await session.exited, session.fatal);
  return { kind: outcome.hung ? "hung" : "failed", failure: outcome.failure };
}

function exitFailure(phase: WorkerPhase, exit: WorkerExit, fatal: WorkerSession["fatal"]): LoadOutcome {
  const { code, signal, stderrTail } = exit;
  const spawnError = exit.spawnError?.message ?? null;
  return { kind: "failed", failure: classifyExit({ phase, code, signal, spawnError, fatal, stderrTail }) };
}

function notStarted(spawnError: NodeJS.ErrnoException): WorkerExit {
  return { code: null, signal: null, spawnError, intent: null, stderrTail: "" };
}
