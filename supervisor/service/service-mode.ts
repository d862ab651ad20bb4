import type { Logger } from "pino";
import { DISK_PATIENCE_MS, withTimeout } from "../host/with-timeout.ts";
import { decideStart, type ServiceStartNumbers } from "../policy/service/service-start.ts";
import type { StartJournal } from "../store/start-journal.ts";

export interface ServiceModeOptions {
  readonly journal: StartJournal;
  readonly bootId: string | null;
  readonly numbers: ServiceStartNumbers;
  /** Safe mode is over: models may be loaded unasked. */
  onLeft(): void;
  readonly log: Logger;
}

/** Whether the service runs normally or, after a crash loop, without loading anything unasked. */
export class ServiceMode {
  readonly #options: ServiceModeOptions;
  #message: string | null = null;
  #steady: NodeJS.Timeout | undefined;
  #isStopping = false;

  private constructor(options: ServiceModeOptions) {
    this.#options = options;
  }

  /** Writes this start down and decides by the ones before; resolves when the start is on the disk, or cannot be. */
  static async begin(options: ServiceModeOptions): Promise<ServiceMode> {
    const mode = new ServiceMode(options);
    await mode.#begin();
    return mode;
  }

  /** Why the service is in safe mode; null: it is not. */
  get safeMode(): string | null {
    return this.#message;
  }

  /** Ends safe mode; false: there was none. */
  async leave(): Promise<boolean> {
    if (this.#message === null) return false;
    this.#message = null;
    this.#options.log.info("safe mode is over");
    await withTimeout(DISK_PATIENCE_MS, this.#options.journal.markLeftSafeMode(Date.now()));
    this.#options.onLeft();
    return true;
  }

  /** The clean mark, the last thing an orderly stop does. */
  async stopped(): Promise<void> {
    this.stopping();
    await this.#options.journal.markStopped(Date.now());
  }

  /** The service is being stopped: nothing is loaded unasked any more. */
  stopping(): void {
    this.#isStopping = true;
    clearTimeout(this.#steady);
  }

  async #begin(): Promise<void> {
    const { journal, bootId, numbers, log } = this.#options;
    const startedAt = Date.now();
    const decision = decideStart(journal.starts(), { now: startedAt, bootId }, numbers);
    if (decision.mode === "safe-mode") {
      this.#message = decision.message;
      const { uncleanEnds, reboots } = decision;
      log.error({ uncleanEnds, reboots, reason: decision.message }, "the service starts in safe mode");
    } else if (decision.uncleanEnds > 0) {
      log.warn({ uncleanEnds: decision.uncleanEnds }, "the last start ended without an orderly stop");
    }
    await journal.begin({ startedAt, bootId, pid: process.pid, mode: decision.mode });
    this.#steady = setTimeout(() => void this.#onSteady(), numbers.steadyMs);
    this.#steady.unref();
  }

  async #onSteady(): Promise<void> {
    await withTimeout(DISK_PATIENCE_MS, this.#options.journal.markSteady(Date.now()));
    if (!this.#isStopping) await this.leave();
  }
}
