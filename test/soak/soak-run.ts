import type { SoakArguments } from "./arguments.ts";
import { latenessOf, SEEN_LATE_MS } from "./lateness.ts";
import { Ledger } from "./ledger.ts";
import type { Ended, SoakRequest } from "./request.ts";
import type { SoakService } from "./service.ts";
import { type WorkerDeath, WorkerWatch } from "./worker-watch.ts";

/** A worker that fails its canary is ended in good order, which may take this long. */
const LINGERING_MS = 10_000;

interface Doing {
  readonly name: string;
  readonly isOrderly: boolean;
  /** Monotonic milliseconds. */
  readonly until: number;
}

/** What every part of one run shares. */
export class SoakRun {
  readonly options: SoakArguments;
  readonly service: SoakService;
  readonly ledger = new Ledger();
  readonly watch: WorkerWatch;
  #startedAt = performance.now();
  /** What was done to a worker, for the moment it is gone. */
  readonly #doneToPid = new Map<number, string>();
  /** What is being done to a model, by whatever worker it has. */
  readonly #doneToModel = new Map<string, Doing>();
  readonly #signalled = new Set<number>();
  readonly #ended = Promise.withResolvers<void>();
  /** Sentences about models that did not come back. */
  readonly stuck: string[] = [];
  inFlight = 0;
  #endedBy: string | null = null;

  constructor(options: SoakArguments, service: SoakService) {
    this.options = options;
    this.service = service;
    const { client, isLocal } = service;
    this.watch = new WorkerWatch({ client, isLocal, onDeath: (death) => this.#onDeath(death) });
    if (service.own !== null) service.own.log.onExit = (model) => this.watch.noteDeath(model);
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Time counts from now. */
  begin(): void {
    this.#startedAt = performance.now();
  }

  /** Resolves when no new faults and requests are to come. */
  get over(): Promise<void> {
    return this.#ended.promise;
  }

  /** Nothing new is to be begun. */
  get isOver(): boolean {
    this.#endedBy ??= this.#reasonToEnd();
    if (this.#endedBy !== null) this.#ended.resolve();
    return this.#endedBy !== null;
  }

  /** Why it ended. */
  get endedBy(): string | null {
    return this.#endedBy;
  }

  /** Ends the run before its time. */
  stop(why: string): void {
    this.#endedBy ??= why;
  }

  #reasonToEnd(): string | null {
    const { deaths, requests, durationMs } = this.options;
    const { deathCount, requests: made } = this.ledger;
    if (this.service.own?.exit != null) return "the end of the service";
    if (this.elapsedMs >= durationMs) return "its time";
    const isCounted = deaths !== null || requests !== null;
    return isCounted && deathCount >= (deaths ?? 0) && made >= (requests ?? 0) ? "its counts" : null;
  }

  /** Processes that were killed by a signal of ours and belong to a model. */
  get signalledPids(): ReadonlySet<number> {
    return this.#signalled;
  }

  async send(request: SoakRequest): Promise<Ended> {
    this.inFlight += 1;
    const ended = await this.service.client.send(request);
    this.inFlight -= 1;
    this.ledger.ended(request, ended);
    this.#judge(request, ended);
    return ended;
  }

  /** A worker is about to fail because of us. */
  expectDeath(pid: number, name: string, isSignal: boolean): void {
    this.#doneToPid.set(pid, name);
    if (isSignal) this.#signalled.add(pid);
  }

  /** Until a while after `work`, the end of a worker of this model is its doing, if nothing else is known of it. */
  async during<T>(model: string, name: string, isOrderly: boolean, work: () => Promise<T>): Promise<T> {
    this.#doneToModel.set(model, { name, isOrderly, until: Number.POSITIVE_INFINITY });
    try {
      return await work();
    } finally {
      this.#doneToModel.set(model, { name, isOrderly, until: performance.now() + LINGERING_MS });
    }
  }

  #onDeath({ model, pid, at }: WorkerDeath): void {
    const name = this.#doneToPid.get(pid);
    this.#doneToPid.delete(pid);
    const doing = this.#doneToModel.get(model);
    if (name !== undefined) this.ledger.died(name, false);
    else if (doing !== undefined && at < doing.until) this.ledger.died(doing.name, doing.isOrderly);
    else {
      this.ledger.died("nobody's doing", false);
      this.ledger.problem(`a worker of ${model}, ${pid}, ended and nothing had been done to it`);
    }
  }

  #judge({ kind, model, reading }: SoakRequest, ended: Ended): void {
    // Who does not read cannot say when the answer came.
    if (model === null || reading.kind === "pauses") return;
    if (ended.outcome !== "worker_crashed" && ended.begunAt === null) return;
    // The death may be seen a moment after the answer.
    setTimeout(() => {
      const lateness = latenessOf(ended, this.watch.deathsOf(model));
      this.ledger.judged(lateness, this.options.endedWithinMs, `${kind} to ${model}`);
    }, SEEN_LATE_MS).unref();
  }
}
