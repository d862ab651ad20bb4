import type { Logger } from "pino";
import { LmxError } from "../../../shared/errors.ts";
import {
  noteRuntimeFailure,
  RUNTIME_RETRY_MS,
  type RuntimeFailure,
} from "../../policy/diagnosis/runtime-breaker.ts";

export interface RuntimeWatchOptions {
  /** Starts a worker and waits until it has done its imports. @throws when it cannot */
  prove(): Promise<void>;
  /**
   * Workers can be started again: whoever waited for that may be loaded.
   * @param wasBroken false: a single start had failed, and nobody was told that the runtime is broken
   */
  onMended(wasBroken: boolean): void;
  /** Monotonic milliseconds. */
  now(): number;
  readonly log: Logger;
}

/**
 * Tells a broken Python runtime from a broken model. While it is broken no worker is started for anybody; every 30 s
 * one is tried, and when it works everything goes on by itself.
 */
export class RuntimeWatch {
  readonly #options: RuntimeWatchOptions;
  #failures: readonly RuntimeFailure[] = [];
  #broken: string | null = null;
  #retry: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: RuntimeWatchOptions) {
    this.#options = options;
  }

  /** Why no worker can be started; null: as far as is known they can. */
  get broken(): string | null {
    return this.#broken;
  }

  /** @throws LmxError worker_runtime_broken */
  check(): void {
    if (this.#broken === null) return;
    throw new LmxError("worker_runtime_broken", this.#broken, { retryAfterSeconds: RUNTIME_RETRY_MS / 1000 });
  }

  /** A worker failed before it could be given a model, or could not be started. */
  failed(model: string, cause: string, message: string): void {
    const at = this.#options.now();
    const { failures, isBroken } = noteRuntimeFailure(this.#failures, { model, cause, at });
    this.#failures = failures;
    if (isBroken && this.#broken === null) {
      this.#broken = message;
      this.#options.log.error({ cause, reason: message }, "the Python runtime cannot start workers");
    }
    this.#scheduleRetry();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #scheduleRetry(): void {
    if (this.#retry !== undefined || this.#isStopped) return;
    this.#retry = setTimeout(() => void this.#tryAgain(), RUNTIME_RETRY_MS);
    this.#retry.unref();
  }

  async #tryAgain(): Promise<void> {
    this.#retry = undefined;
    try {
      await this.#options.prove();
    } catch {
      return this.#scheduleRetry();
    }
    if (this.#isStopped) return;
    const wasBroken = this.#broken !== null;
    if (wasBroken) this.#options.log.info("the Python runtime starts workers again");
    this.#failures = [];
    this.#broken = null;
    this.#options.onMended(wasBroken);
  }
}
