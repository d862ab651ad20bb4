import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** One question to a path that takes no work to answer. */
export interface Glance {
  readonly milliseconds: number;
  /** Null: answered with 200. */
  readonly problem: string | null;
}

/** Two questions at the same moment. */
export interface HealthCheck {
  readonly livez: Glance;
  /** To a server that does nothing: what the machine itself adds. */
  readonly bare: Glance;
}

/** One stream of the bystander, by its clock. */
export interface BystanderAnswer {
  /** Null: none came. */
  readonly firstTokenMs: number | null;
  readonly endMs: number;
  readonly text: string;
  /** Null: it ended once, with a finish reason. */
  readonly problem: string | null;
}

/** What the bystander keeps asking. */
export interface BystanderQuestion {
  /** JSON text of a chat request that streams. */
  readonly body: string;
  readonly headers: Record<string, string>;
}

export interface WitnessOrder {
  readonly serviceUrl: string;
  readonly bareUrl: string;
  readonly bystander: BystanderQuestion;
  /** Then it stops by itself; null: when it is told. */
  readonly answers: number | null;
}

/** Everything that was seen, oldest first. */
export interface Sightings {
  readonly health: readonly HealthCheck[];
  readonly bystander: readonly BystanderAnswer[];
}

/** Watches a service from threads of its own until it is told to stop. */
export class Witness {
  readonly #thread: Worker;
  readonly #bareServer: Worker;
  readonly #sightings: Promise<Sightings>;

  private constructor(thread: Worker, bareServer: Worker) {
    this.#thread = thread;
    this.#bareServer = bareServer;
    this.#sightings = once(thread, "message").then(([sightings]) => sightings as Sightings);
    this.#sightings.catch(() => {});
  }

  /** @param answers the bystander's, after which it stops by itself; null: when it is told */
  static async start(
    serviceUrl: string,
    bystander: BystanderQuestion,
    answers: number | null = null,
  ): Promise<Witness> {
    const bareServer = new Worker(new URL("bare-server-thread.ts", import.meta.url));
    const [bareUrl] = (await once(bareServer, "message")) as [string];
    const workerData: WitnessOrder = { serviceUrl, bareUrl, bystander, answers };
    return new Witness(new Worker(new URL("witness-thread.ts", import.meta.url), { workerData }), bareServer);
  }

  /** Stops it and waits for the answers that are still on their way. */
  stop(): Promise<Sightings> {
    this.#thread.postMessage("stop");
    return this.ended();
  }

  /** Waits until it has stopped. */
  async ended(): Promise<Sightings> {
    try {
      return await this.#sightings;
    } finally {
      await Promise.all([this.#thread.terminate(), this.#bareServer.terminate()]);
    }
  }
}
