import type { ModelCluster } from "../cluster/model-cluster.ts";
import type { CompatSweep } from "../compat/compat-sweep.ts";
import { withTimeout } from "../host/with-timeout.ts";
import type { Listener } from "../http/server/listen.ts";

/** From a worker's orderly end to its SIGKILL, and some more: one that is still there then cannot be ended at all. */
const ENDING_MS = 10_000;
/** A disk that has stalled is not waited for without end. */
const CLOSE_MS = 5_000;

export interface StopperOptions {
  readonly cluster: ModelCluster;
  readonly sweep: CompatSweep;
  readonly listener: Pick<Listener, "close">;
  /** How long running answers may take, milliseconds. */
  drainMs(): number;
  /** What is left to do when no worker is left and the port is closed. */
  cleanUp(): Promise<void>;
}

/** Stops the service once, orderly or hurried; the second way overtakes the first. */
export class Stopper {
  readonly #options: StopperOptions;
  #stopped: Promise<void> | null = null;

  constructor(options: StopperOptions) {
    this.#options = options;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#finish();
    return this.#stopped;
  }

  async abandon(): Promise<void> {
    const stopped = this.stop();
    await this.#options.cluster.abandon();
    await stopped;
  }

  async #finish(): Promise<void> {
    // New connections are refused only after the running answers: a client mid-answer may need the port for nothing else.
    const { cluster, sweep, listener, drainMs, cleanUp } = this.#options;
    await withTimeout(drainMs() + ENDING_MS, Promise.all([cluster.stop(), sweep.close()]));
    await withTimeout(CLOSE_MS, listener.close());
    await withTimeout(CLOSE_MS, cleanUp());
  }
}
