import type { Timeouts } from "../../shared/config.ts";
import type { MethodResult } from "../../shared/worker-protocol.ts";

type Pong = MethodResult<"ping">;

export interface HeartbeatOptions {
  /** From one answer to the next question. The worker's own deadman lets it live 90 s without one. Milliseconds. */
  readonly periodMs: number;
  /** An answer must come within this time. Milliseconds. */
  readonly answerMs: number;
  /** Rejects when the worker does not answer in `timeoutMs`. */
  ping(timeoutMs: number): Promise<Pong>;
  onPong(pong: Pong): void;
  /** Called once, after the misses in a row that make a worker count as hung. */
  onHung(): void;
  /** Monotonic milliseconds. */
  now(): number;
}

const MISSES_UNTIL_HUNG = 3;

const DEADMAN_SECONDS = 90;
/** For the stack dump of a hung worker, and a machine that is busy. */
const DEADMAN_MARGIN_SECONDS = 30;

/** When a worker gives its supervisor up, seconds: well after the supervisor, alive, would have ended it as hung. */
export function deadmanSeconds(timeouts: Pick<Timeouts, "heartbeat_seconds" | "ping_seconds">): number {
  const hungAfter = timeouts.heartbeat_seconds + MISSES_UNTIL_HUNG * timeouts.ping_seconds;
  return Math.max(DEADMAN_SECONDS, hungAfter + DEADMAN_MARGIN_SECONDS);
}

/**
 * Pings one worker until `stop`. A supervisor that was itself asleep or stopped judges nobody: misses that ended more
 * than two periods late are forgotten.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;
  #misses = 0;
  #heardAt: number;
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#heardAt = options.now();
    this.#schedule(options.periodMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => void this.#beat(), delayMs);
  }

  async #beat(): Promise<void> {
    const { ping, onPong, onHung, now, periodMs } = this.#options;
    const asked = now();
    // Asleep since the last answer, we would be in a hurry now.
    if (this.#misses === 0) this.#heardAt = Math.max(this.#heardAt, asked - periodMs);
    const patience = this.#patience(asked);
    const pong = await ping(patience).catch(() => null);
    if (this.#stopped) return;
    if (pong !== null) {
      this.#misses = 0;
      this.#heardAt = now();
      onPong(pong);
      if (!this.#stopped) this.#schedule(periodMs);
      return;
    }
    const waited = now() - asked;
    const wasAsleep = waited > patience + 2 * periodMs;
    this.#misses = wasAsleep ? 0 : this.#misses + 1;
    if (wasAsleep) this.#heardAt = now();
    // A question that cannot even be sent is refused at once: the worker may be dying, and its exit tells why.
    if (this.#misses < MISSES_UNTIL_HUNG) this.#schedule(Math.max(0, patience - waited));
    else onHung();
  }

  /** The last chance ends when three answers' time has passed since the last answer, not three since the question. */
  #patience(asked: number): number {
    const { answerMs } = this.#options;
    if (this.#misses < MISSES_UNTIL_HUNG - 1) return answerMs;
    const left = this.#heardAt + MISSES_UNTIL_HUNG * answerMs - asked;
    return Math.min(answerMs, Math.max(answerMs / 4, left));
  }
}
