import type { Logger } from "pino";
import type { ModelSettings, Timeouts } from "../../../shared/config.ts";
import type { EventSink } from "../../telemetry/event-log.ts";
import type { ClusterObserver } from "../../telemetry/observer.ts";
import type { WorkerLogSink } from "../../workers/worker-logs.ts";
import type { WorkerSession } from "../../workers/worker-session.ts";
import type { DossierSink } from "../dossiers/dossiers.ts";
import type { LoadIntents } from "./load-intents.ts";

/** What the workers of one model need from the rest of the supervisor. */
export interface WorkerPorts {
  /** Starts a worker process; may wait for the Python runtime. */
  launch(modelId: string): Promise<WorkerSession>;
  settings(modelId: string): ModelSettings;
  readonly timeouts: Timeouts;
  /** A model leaves after this long without a request; null: never. Milliseconds. */
  idleMs(modelId: string): number | null;
  /** A model that has served this long without a failure is forgiven one. Milliseconds. */
  readonly forgiveMs: number;
  /** Resolves when the memory of the model's dead worker is there again, or has taken too long. */
  memoryBack(modelId: string): Promise<void>;
  /** Resident bytes a worker of this model may take; null: no cap. */
  capBytes(modelId: string): number | null;
  /** The text without keys and the user's home directory: last words end up in answers to clients. */
  clean(text: string): string;
  /** Processes the kernel has killed for want of memory so far; null: it does not tell. */
  oomKills(): number | null;
  readonly intents: Pick<LoadIntents, "begin" | "end">;
  /** Monotonic milliseconds. */
  now(): number;
  readonly observer: ClusterObserver;
  readonly events: EventSink;
  readonly dossiers: DossierSink;
  readonly workerLogs: WorkerLogSink;
  /** What the model's worker takes now, and who says so; null: it has none. Bytes. */
  measured(modelId: string, bytes: number | null, by: "system" | "worker"): void;
  readonly log: Logger;
}
