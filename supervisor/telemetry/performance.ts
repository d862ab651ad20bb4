import type { ModelPerformance } from "../../shared/admin-performance.ts";
import type { ClusterObserver, RequestEnd, RequestObserver } from "./observer.ts";
import { percentile } from "./percentile.ts";

/** Percentiles are of so many requests, the newest that ended. */
const SAMPLE_SIZE = 500;

/** A model's figures without its name and readiness. */
export type PerformanceFigures = Omit<ModelPerformance, "model_id" | "readiness">;

/** What is kept of a request that has ended. */
interface Sample {
  /** Null: it had no token. */
  readonly firstTokenSeconds: number | null;
  /** Null: all its tokens came at once. */
  readonly tokensPerSecond: number | null;
}

interface Ledger {
  readonly ended: Record<"succeeded" | "failed" | "cancelled", number>;
  waiting: number;
  running: number;
  /** The oldest leaves when it is full. */
  readonly samples: Sample[];
  memory: PerformanceFigures["memory"];
  loadSeconds: number | null;
  canarySeconds: number | null;
  started: number;
  restarted: number;
  readonly exits: Map<string, number>;
}

/** Each model's speed and counts since the service started, for people to look at. Bounded per model. */
export class PerformanceLog {
  /** What the cluster tells. */
  readonly observer: ClusterObserver;
  readonly #ledgers = new Map<string, Ledger>();
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.observer = this.#observeCluster();
  }

  /** @param model catalogue id; one that was never used has zeros */
  of(model: string): PerformanceFigures {
    const ledger = this.#ledgers.get(model) ?? newLedger();
    const { ended, waiting, running, samples, memory } = ledger;
    return {
      requests: {
        total: ended.succeeded + ended.failed + ended.cancelled + waiting + running,
        ...ended,
        running,
        waiting,
      },
      sample: { requests: samples.length, limit: SAMPLE_SIZE },
      time_to_first_token_seconds: percentilesOf(samples.map((one) => one.firstTokenSeconds)),
      tokens_per_second: percentilesOf(samples.map((one) => one.tokensPerSecond)),
      memory,
      load_seconds: ledger.loadSeconds,
      canary_seconds: ledger.canarySeconds,
      workers: {
        started: ledger.started,
        restarted: ledger.restarted,
        exits: Object.fromEntries(ledger.exits),
      },
    };
  }

  #observeCluster(): ClusterObserver {
    return {
      requestArrived: (model) => new RequestSample(this.#ledger(model), this.#now),
      workerStarted: (model, restart) => {
        const ledger = this.#ledger(model);
        ledger.started += 1;
        if (restart) ledger.restarted += 1;
      },
      workerExited: (model, cause) => {
        const ledger = this.#ledger(model);
        ledger.exits.set(cause, (ledger.exits.get(cause) ?? 0) + 1);
        ledger.memory = null;
      },
      workerMemory: (model, { active, peak, cache }) => {
        this.#ledger(model).memory = { active, peak, cache };
      },
      loaded: (model, seconds) => {
        this.#ledger(model).loadSeconds = seconds;
      },
      canaried: (model, seconds) => {
        this.#ledger(model).canarySeconds = seconds;
      },
    };
  }

  #ledger(model: string): Ledger {
    const ledger = this.#ledgers.get(model) ?? newLedger();
    this.#ledgers.set(model, ledger);
    return ledger;
  }
}

function newLedger(): Ledger {
  return {
    ended: { succeeded: 0, failed: 0, cancelled: 0 },
    waiting: 0,
    running: 0,
    samples: [],
    memory: null,
    loadSeconds: null,
    canarySeconds: null,
    started: 0,
    restarted: 0,
    exits: new Map(),
  };
}

function percentilesOf(values: readonly (number | null)[]): { p50: number | null; p95: number | null } {
  const known = values.filter((value) => value !== null);
  return { p50: percentile(known, 50), p95: percentile(known, 95) };
}

/** One request on its way into its model's ledger. */
class RequestSample implements RequestObserver {
  readonly #ledger: Ledger;
  readonly #now: () => number;
  readonly #arrivedAt: number;
  #stage: "waiting" | "running" = "waiting";
  #firstTokenAt: number | null = null;
  #lastTokenAt = 0;
  /** Those of the first step come out of the prefill: no time of decoding belongs to them. */
  #tokensAfterFirst = 0;

  constructor(ledger: Ledger, now: () => number) {
    this.#ledger = ledger;
    this.#now = now;
    this.#arrivedAt = now();
    ledger.waiting += 1;
  }

  accepted(): void {
    this.#ledger[this.#stage] -= 1;
    this.#stage = "running";
    this.#ledger.running += 1;
  }

  tokens(count: number): void {
    this.#lastTokenAt = this.#now();
    if (this.#firstTokenAt === null) this.#firstTokenAt = this.#lastTokenAt;
    else this.#tokensAfterFirst += count;
  }

  ended(how: RequestEnd): void {
    const { ended, samples } = this.#ledger;
    this.#ledger[this.#stage] -= 1;
    ended[how === "failed" || how === "cancelled" ? how : "succeeded"] += 1;
    samples.push(this.#sample());
    if (samples.length > SAMPLE_SIZE) samples.shift();
  }

  #sample(): Sample {
    const firstTokenAt = this.#firstTokenAt;
    if (firstTokenAt === null) return { firstTokenSeconds: null, tokensPerSecond: null };
    const decodeSeconds = (this.#lastTokenAt - firstTokenAt) / 1000;
    return {
      firstTokenSeconds: (firstTokenAt - this.#arrivedAt) / 1000,
      tokensPerSecond: decodeSeconds > 0 ? this.#tokensAfterFirst / decodeSeconds : null,
    };
  }
}
