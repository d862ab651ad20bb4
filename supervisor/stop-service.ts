import type { CompatSweep } from "./cluster/compat-sweep.ts";
import type { ModelCluster } from "./cluster/model-cluster.ts";
import type { Listener } from "./http/listen.ts";

/** Stops the service once, orderly or hurried; the second way overtakes the first. */
export class Stopper {
  readonly #cluster: ModelCluster;
  readonly #sweep: CompatSweep;
  readonly #listener: Listener;
  readonly #cleanUp: () => Promise<void>;
  #stopped: Promise<void> | null = null;

  constructor(cluster: ModelCluster, sweep: CompatSweep, listener: Listener, cleanUp: () => Promise<void>) {
    this.#cluster = cluster;
    this.#sweep = sweep;
    this.#listener = listener;
    this.#cleanUp = cleanUp;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#finish();
    return this.#stopped;
  }

  async abandon(): Promise<void> {
    const stopped = this.stop();
    await this.#cluster.abandon();
    await stopped;
  }

  async #finish(): Promise<void> {
    // New connections are refused only after the running answers: a client mid-answer may need the port for nothing else.
    await Promise.all([this.#cluster.stop(), this.#sweep.close()]);
    await this.#listener.close();
    await this.#cleanUp();
  }
}
