import { Registry } from "prom-client";
import type { ModelDetail } from "../../../shared/admin.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { READINESS_STATES } from "../../../shared/readiness.ts";
import type { ClusterObserver } from "../../cluster/observer.ts";
import { createInstruments } from "./instruments.ts";
import { RequestMetrics } from "./request-metrics.ts";

/** The service's numbers for Prometheus, with a registry of their own. */
export class Metrics {
  readonly contentType: string;
  /** What the cluster tells. */
  readonly observer: ClusterObserver;
  readonly #registry = new Registry();
  readonly #instruments = createInstruments(this.#registry);

  constructor() {
    this.contentType = this.#registry.contentType;
    this.observer = this.#observeCluster();
  }

  /** A request was answered with an error, before or after its first byte. */
  failed(code: ErrorCode): void {
    this.#instruments.errors.inc({ code });
  }

  clientLeft(): void {
    this.#instruments.disconnects.inc();
  }

  /** Everything as text. @param models as they are now: a model that is gone shows no state any more */
  async render(models: readonly ModelDetail[]): Promise<string> {
    const { state } = this.#instruments;
    state.reset();
    for (const { id, readiness } of models) {
      for (const name of READINESS_STATES)
        state.set({ model_name: id, state: name }, name === readiness.state ? 1 : 0);
    }
    return await this.#registry.metrics();
  }

  /** Name, type, help and labels of everything, for the documentation. */
  async describe(): Promise<
    readonly { name: string; type: string; help: string; labels: readonly string[] }[]
  > {
    const described = await this.#registry.getMetricsAsJSON();
    return described.map(({ name, help }) => {
      const metric = this.#registry.getSingleMetric(name) as unknown as {
        type: string;
        labelNames: string[];
      };
      return { name, type: metric.type, help, labels: metric.labelNames };
    });
  }

  #observeCluster(): ClusterObserver {
    const { exits, restarts, load, canary, memory } = this.#instruments;
    const kinds = ["active", "peak", "cache"] as const;
    return {
      requestArrived: (model) => new RequestMetrics(this.#instruments, model),
      workerStarted: (model, restart) => {
        if (restart) restarts.inc({ model_name: model });
      },
      workerExited: (model, cause) => {
        exits.inc({ model_name: model, cause });
        for (const kind of kinds) memory.remove({ model_name: model, kind });
      },
      workerMemory: (model, bytes) => {
        for (const kind of kinds) memory.set({ model_name: model, kind }, bytes[kind]);
      },
      loaded: (model, seconds) => load.observe({ model_name: model }, seconds),
      canaried: (model, seconds) => canary.observe({ model_name: model }, seconds),
    };
  }
}
