import type { MethodResult } from "../../shared/worker-protocol.ts";

type Pong = MethodResult<"ping">;

export interface HeartbeatOptions {
  /** Rejects when the worker does not answer in `timeoutMs`. */
  ping(timeoutMs: number): Promise<Pong>;
  onPong(pong: Pong): void;
  /** Called once, after the misses in a row that make a worker count as hung. */
  onHung(): void;
  /** Monotonic milliseconds. */
  now(): number;
}

/** The worker's own deadman lets it live 90 s without a ping. Milliseconds. */
const PERIOD_MS = 5_000;
const ANSWER_MS = 10_000;
const MISSES_UNTIL_HUNG = 3;

/**
 * Pings one worker until `stop`. A supervisor that was itself asleep or stopped judges nobody: misses that ended more
 * than two periods late are forgotten.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;
  #misses = 0;
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#schedule(PERIOD_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => void this.#beat(), delayMs);
  }

  async #beat(): Promise<void> {
    const { ping, onPong, onHung, now } = this.#options;
    const asked = now();
    const pong = await ping(ANSWER_MS).catch(() => null);
    if (this.#stopped) return;
    if (pong !== null) {
      this.#misses = 0;
      onPong(pong);
      this.#schedule(PERIOD_MS);
      return;
    }
    const wasAsleep = now() - asked > ANSWER_MS + 2 * PERIOD_MS;
    this.#misses = wasAsleep ? 0 : this.#misses + 1;
    if (this.#misses < MISSES_UNTIL_HUNG) this.#schedule(0);
    else onHung();
  }
}
