import type { FinishReason } from "../../shared/generation.ts";

/** Bytes a worker's allocator holds, as the worker counts them. */
export interface WorkerMemory {
  readonly active: number;
  readonly peak: number;
  readonly cache: number;
}

/** How a request left the cluster: with an answer, with an error, or because its client went. */
export type RequestEnd = FinishReason | "failed" | "cancelled";

/** Hears what becomes of one request, in order; `ended` comes once and last. */
export interface RequestObserver {
  /** A worker has tokenised and queued it; not told again when it is sent to a second worker. */
  accepted(promptTokens: number): void;
  /** So many tokens came in one step. */
  tokens(count: number): void;
  ended(how: RequestEnd): void;
}

/**
 * Hears what happens in the cluster, for numbers: told at once and synchronously, it must neither throw nor wait. Model
 * names are catalogue ids, and nothing of what is said to a model passes here.
 */
export interface ClusterObserver {
  /** `restart`: it replaces one that failed. */
  workerStarted(model: string, restart: boolean): void;
  /** `cause`: a word of policy/diagnosis/failure.ts, `spawn_failed` included, or `stopped` for one that was asked to leave. */
  workerExited(model: string, cause: string): void;
  workerMemory(model: string, memory: WorkerMemory): void;
  loaded(model: string, seconds: number): void;
  canaried(model: string, seconds: number): void;
  /** A request for this model has come in. */
  requestArrived(model: string): RequestObserver;
}

/** Hears nothing. */
export const NO_OBSERVER: ClusterObserver = {
  workerStarted: () => {},
  workerExited: () => {},
  workerMemory: () => {},
  loaded: () => {},
  canaried: () => {},
  requestArrived: () => ({ accepted: () => {}, tokens: () => {}, ended: () => {} }),
};
