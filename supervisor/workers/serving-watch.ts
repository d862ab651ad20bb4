import { IdleWatch } from "./idle-watch.ts";
import type { WorkerSession } from "./worker-session.ts";

export interface ServingWatchOptions {
  readonly session: Pick<WorkerSession, "inFlight" | "lastUsedAt" | "takeFinished" | "exited">;
  /** A model leaves after this long without a request; null: never. Milliseconds. */
  readonly idleMs: number | null;
  /** A model that has served this long without a failure is forgiven one. Milliseconds. */
  readonly forgiveMs: number;
  onIdle(): void;
  /** It has served for another `forgiveMs`. @param finishedRequests in that time */
  onSteady(finishedRequests: number): void;
}

/** Tells what time makes of a worker that serves, until it is gone. */
export function watchServing({ session, idleMs, forgiveMs, onIdle, onSteady }: ServingWatchOptions): void {
  const steady = setInterval(() => onSteady(session.takeFinished()), forgiveMs);
  steady.unref();
  const idle =
    idleMs === null
      ? null
      : new IdleWatch({ subject: session, idleMs, onIdle, now: () => performance.now() });
  void session.exited.then(() => {
    clearInterval(steady);
    idle?.stop();
  });
}
