import type { Logger } from "pino";
import type { WorkerSession } from "./worker-session.ts";

export interface WorkerPoolOptions {
  /** Starts a worker process; waits for the Python runtime. */
  spawn(): Promise<WorkerSession>;
  /** Keep one worker ready. */
  readonly keepSpare: boolean;
  /** Whether the machine has memory to spare for a worker nobody uses yet. */
  hasRoom(): Promise<boolean>;
  /** A worker must have done its imports within this time. Milliseconds. */
  readonly initializeMs: number;
  readonly log: Logger;
}

/** A spare started at once would compete for the processor with the load it was made for. Milliseconds. */
const REFILL_AFTER_LOAD_MS = 1_000;
/** After a spare that could not be started or died by itself. Milliseconds. */
const RETRY_MS = 30_000;
/** A worker that hears nothing for 90 s ends itself. Milliseconds. */
const PING_MS = 20_000;

/**
 * Where workers come from. One that has done its imports already waits for the next load: importing takes a second or
 * more, which a restart after a crash should not.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  #spare: WorkerSession | null = null;
  #starting: Promise<void> | null = null;
  #refill: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** The spare's process id; null while there is none. */
  get sparePid(): number | null {
    return this.#spare?.pid ?? null;
  }

  /** Starts the spare, if one is to be kept. */
  warm(): void {
    if (!this.#options.keepSpare || this.#isClosed || this.#spare !== null) return;
    this.#starting ??= this.#start().finally(() => {
      this.#starting = null;
    });
  }

  /**
   * A worker for somebody who will end it. After an inspection a load follows, so the next spare is started at once.
   * @throws when no worker can be started
   */
  async take(purpose: "load" | "inspect"): Promise<WorkerSession> {
    const spare = this.#spare;
    this.#spare = null;
    this.#scheduleRefill(purpose === "inspect" ? 0 : REFILL_AFTER_LOAD_MS);
    return spare ?? (await this.#options.spawn());
  }

  /** Shows that a worker can be started, by starting one. @throws when it cannot */
  async prove(): Promise<void> {
    const session = await this.#options.spawn();
    try {
      await session.initialize(this.#options.initializeMs);
    } finally {
      await session.kill("it only had to start");
    }
    this.warm();
  }

  /** Ends the spare and starts none any more; resolves when it is gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#refill);
    await this.#starting;
    const spare = this.#spare;
    this.#spare = null;
    await spare?.kill("the service stops");
  }

  #scheduleRefill(delayMs: number): void {
    clearTimeout(this.#refill);
    this.#refill = setTimeout(() => this.warm(), delayMs);
    this.#refill.unref();
  }

  async #start(): Promise<void> {
    const { spawn, hasRoom, initializeMs, log } = this.#options;
    try {
      if (!(await hasRoom())) {
        log.debug("no memory for a spare worker");
        return this.#scheduleRefill(RETRY_MS);
      }
      const session = await spawn();
      if (this.#isClosed) return await session.kill("the service stops");
      this.#spare = session;
      // Whoever takes it meanwhile waits for the same imports.
      session.initialize(initializeMs).catch(() => this.#discard(session));
      void session.exited.then(() => this.#discard(session));
      this.#keepAlive(session);
    } catch (error) {
      log.warn({ error: (error as Error).message }, "no spare worker could be started");
      this.#scheduleRefill(RETRY_MS);
    }
  }

  /** A spare that failed is nobody's failure yet; whoever needs a worker next finds out. */
  #discard(session: WorkerSession): void {
    if (this.#spare !== session) return;
    this.#spare = null;
    void session.kill("a spare that cannot be used");
    if (!this.#isClosed) this.#scheduleRefill(RETRY_MS);
  }

  #keepAlive(session: WorkerSession): void {
    const timer = setInterval(() => {
      if (this.#spare !== session) return clearInterval(timer);
      session.ping(PING_MS).catch(() => {});
    }, PING_MS);
    timer.unref();
  }
}
