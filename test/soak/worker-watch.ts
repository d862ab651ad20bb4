import type { ModelDetail } from "../../shared/admin.ts";
import { isAlive } from "../support/running-supervisor.ts";
import type { HttpClient } from "./http-client.ts";

export interface WorkerDeath {
  readonly model: string;
  readonly pid: number;
  /** Monotonic milliseconds: when its process was gone, which is when the supervisor had seen its exit. */
  readonly at: number;
}

export interface WorkerWatchOptions {
  readonly client: HttpClient;
  /** Worker processes are on this machine. */
  readonly isLocal: boolean;
  onDeath(death: WorkerDeath): void;
}

const LIST_MS = 100;
const LOOK_MS = 10;
const REMEMBERED_DEATHS = 500;

/** Knows every model's state and worker, and when a worker is gone. */
export class WorkerWatch {
  readonly #options: WorkerWatchOptions;
  readonly #live = new Map<number, string>();
  readonly #deaths = new Map<string, number[]>();
  readonly #seen = new Set<number>();
  #models = new Map<string, ModelDetail>();
  #listTimer: NodeJS.Timeout | undefined;
  #lookTimer: NodeJS.Timeout | undefined;

  constructor(options: WorkerWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.refresh();
    const list = async () => {
      await this.refresh().catch(() => {});
      if (this.#lookTimer !== undefined) this.#listTimer = setTimeout(list, LIST_MS);
    };
    this.#lookTimer = setInterval(() => this.#look(), LOOK_MS);
    this.#listTimer = setTimeout(list, LIST_MS);
  }

  stop(): void {
    clearInterval(this.#lookTimer);
    clearTimeout(this.#listTimer);
    this.#lookTimer = undefined;
  }

  /** As of a moment ago. */
  model(id: string): ModelDetail | undefined {
    return this.#models.get(id);
  }

  /** Pids of every worker of a model so far. */
  get seenPids(): ReadonlySet<number> {
    return this.#seen;
  }

  /** Pids of workers that serve, or will serve, a model. */
  get livePids(): ReadonlySet<number> {
    return new Set(this.#live.keys());
  }

  /** When the model's workers died, ascending. */
  deathsOf(id: string): readonly number[] {
    return this.#deaths.get(id) ?? [];
  }

  /** A worker of this model is gone, also one that lived too short to be listed. @returns when: now */
  noteDeath(model: string): number {
    const at = performance.now();
    const deaths = this.#deaths.get(model) ?? [];
    this.#deaths.set(model, [...deaths.slice(-REMEMBERED_DEATHS), at]);
    return at;
  }

  async refresh(): Promise<void> {
    const { data } = await this.#options.client.get<{ data: ModelDetail[] }>("/admin/models");
    this.#models = new Map(data.map((model) => [model.id, model]));
    for (const { id, worker } of data) {
      if (worker === null || this.#seen.has(worker.pid)) continue;
      this.#seen.add(worker.pid);
      this.#live.set(worker.pid, id);
    }
  }

  #look(): void {
    for (const [pid, model] of this.#live) {
      const isThere = this.#options.isLocal ? isAlive(pid) : this.#models.get(model)?.worker?.pid === pid;
      if (isThere) continue;
      this.#live.delete(pid);
      this.#options.onDeath({ model, pid, at: this.noteDeath(model) });
    }
  }
}
