import { type Gauge, Registry } from "prom-client";
import type { ModelDetail } from "../../../shared/admin.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { READINESS_STATES } from "../../../shared/readiness.ts";
import type { MemorySnapshot } from "../../cluster/admission/memory-ledger.ts";
import type { ClusterObserver } from "../../telemetry/observer.ts";
import type { ConnectionCount } from "../server/connections.ts";
import { createInstruments } from "./instruments.ts";
import { RequestMetrics } from "./request-metrics.ts";

/** What is read when it is asked for. */
export interface MetricsMoment {
  readonly memory: MemorySnapshot;
  readonly spareWorkers: number;
  readonly eventLoopLagMs: number;
  readonly connections: ConnectionCount;
}

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

  /** A connection was dropped because there are too many. */
  connectionRefused(): void {
    this.#instruments.refusedConnections.inc();
  }

  clientLeft(): void {
    this.#instruments.disconnects.inc();
  }

  /** A model was taken out of service. @param rule a word of policy/lifecycle/failure-record.ts */
  quarantined(model: string, rule: string): void {
    this.#instruments.quarantines.inc({ model_name: model, rule });
  }

  /**
   * Everything as text.
   * @param models as they are now: a model that is gone shows no state any more
   */
  async render(models: readonly ModelDetail[], moment: MetricsMoment | null = null): Promise<string> {
    const { state } = this.#instruments;
    state.reset();
    for (const { id, readiness } of models) {
      for (const name of READINESS_STATES)
        state.set({ model_name: id, state: name }, name === readiness.state ? 1 : 0);
    }
    if (moment !== null) this.#note(moment);
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

  #note({ memory, spareWorkers, eventLoopLagMs, connections }: MetricsMoment): void {
    const instruments = this.#instruments;
    instruments.spareWorkers.set(spareWorkers);
    instruments.eventLoopLag.set(eventLoopLagMs / 1000);
    instruments.connections.set({ kind: "open" }, connections.open);
    instruments.connections.set({ kind: "limit" }, connections.limit);
    const { limitBytes, reserveBytes, heldBytes, freeBytes, machine, holders } = memory;
    const ledger = { limit: limitBytes, reserve: reserveBytes, held: heldBytes, free: freeBytes };
    setKnown(instruments.ledger, ledger, {});
    setKnown(instruments.machineMemory, { total: machine.totalBytes, available: machine.availableBytes }, {});
    instruments.modelMemory.reset();
    for (const { modelId, bytes, measuredBytes } of holders) {
      const kinds = { granted: bytes, measured: measuredBytes };
      setKnown(instruments.modelMemory, kinds, { model_name: modelId });
    }
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

/** What is not known has no series: 0 would be a number. */
function setKnown(
  gauge: Gauge<string>,
  bytes: Readonly<Record<string, number | null>>,
  labels: Readonly<Record<string, string>>,
): void {
  for (const [kind, value] of Object.entries(bytes)) {
    if (value === null) gauge.remove({ ...labels, kind });
    else gauge.set({ ...labels, kind }, value);
  }
}
