import type { Timeouts } from "../../shared/config.ts";
import type { MethodResult } from "../../shared/worker-protocol.ts";
import { residentBytes } from "../host/process-memory.ts";
import { type MemoryHistory, NO_MEMORY_HISTORY, noteMemory } from "../policy/diagnosis/dossier-memory.ts";
import type { Failure } from "../policy/lifecycle/model-state.ts";
import { judgeProgress, type Progress, type ProgressVerdict } from "../policy/watch/progress.ts";
import { judgeFootprint } from "../policy/watch/resident-memory.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { WorkerSession } from "./worker-session.ts";

export interface WorkerWatchOptions {
  readonly session: WorkerSession;
  readonly timeouts: Timeouts;
  /** Resident bytes the worker may take; null: no cap is known. */
  readonly capBytes: number | null;
  onPong(pong: MethodResult<"ping">): void;
  /** What it takes now. @param by the system, or the worker where the system does not tell */
  onMemory(bytes: number, by: "system" | "worker"): void;
  /** Called once: the worker must not go on. Hung: it cannot be asked to leave. */
  onFailure(failure: Failure, hung: boolean): void;
  /** Monotonic milliseconds. */
  now(): number;
}

/** Against a cap. */
const FOOTPRINT_MS = 250;
/** For the record of what a worker took before it died. */
const RECORD_MS = 1_000;
/** Whether the system tells what a process takes. */
const IS_MEASURED = process.platform === "linux";

/** Watches one live worker: does it answer, does it get anywhere, does it babble, does it take too much? */
export class WorkerWatch {
  readonly #options: WorkerWatchOptions;
  readonly #heartbeat: Heartbeat;
  #progress: Progress | null = null;
  #verdict: ProgressVerdict = "moving";
  #readings: (number | null)[] = [];
  #memory: MemoryHistory = NO_MEMORY_HISTORY;
  #footprintTimer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(options: WorkerWatchOptions) {
    this.#options = options;
    const { session, timeouts } = options;
    this.#heartbeat = new Heartbeat({
      periodMs: timeouts.heartbeat_seconds * 1000,
      answerMs: timeouts.ping_seconds * 1000,
      ping: (timeoutMs) => session.ping(timeoutMs),
      onPong: (pong) => this.#onPong(pong),
      onHung: () => this.#fail("hung", "The worker answered no ping and was ended", true),
      now: options.now,
    });
    session.onBabble = () =>
      this.#fail("protocol_violation", "The worker said what is no message of the protocol", true);
    // At once: a worker that dies early leaves a trace of its memory too.
    if (options.capBytes !== null) this.#scheduleFootprint(FOOTPRINT_MS);
    else if (IS_MEASURED) this.#scheduleFootprint(0);
  }

  /** It has work and has made no step for a while. */
  get isStalled(): boolean {
    return this.#verdict !== "moving";
  }

  /** What it took over the last minutes. */
  get memory(): MemoryHistory {
    return this.#memory;
  }

  /** What the worker says it takes: all there is to go by where the system does not tell. Bytes. */
  noteReported(bytes: number): void {
    if (!IS_MEASURED) this.#noteMemory(bytes, "worker");
  }

  stop(): void {
    this.#isOver = true;
    this.#heartbeat.stop();
    clearTimeout(this.#footprintTimer);
  }

  #onPong(pong: MethodResult<"ping">): void {
    const { session, timeouts, now, onPong } = this.#options;
    const limits = {
      limitMs: timeouts.progress_seconds * 1000,
      gapMs: (timeouts.ping_seconds + 3 * timeouts.heartbeat_seconds) * 1000,
    };
    // What was sent counts: an engine that stands still before it has taken a request knows of none.
    const inFlight = Math.max(pong.in_flight, session.owed);
    const sign = { steps: pong.steps, inFlight, now: now() };
    const { progress, verdict } = judgeProgress(this.#progress, sign, limits);
    this.#progress = progress;
    this.#verdict = verdict;
    onPong(pong);
    if (verdict === "stuck")
      this.#fail("wedged", `The worker had work and made no step for ${timeouts.progress_seconds} s`, true);
  }

  #scheduleFootprint(periodMs: number): void {
    this.#footprintTimer = setTimeout(() => void this.#readFootprint(), periodMs);
    this.#footprintTimer.unref();
  }

  async #readFootprint(): Promise<void> {
    const { session, capBytes } = this.#options;
    const bytes = session.pid === null ? null : await residentBytes(session.pid);
    this.#readings = [...this.#readings.slice(-1), bytes];
    if (this.#isOver) return;
    if (bytes !== null) this.#noteMemory(bytes, "system");
    const verdict = judgeFootprint(this.#readings, capBytes);
    if (verdict === "fine") this.#scheduleFootprint(capBytes === null ? RECORD_MS : FOOTPRINT_MS);
    else {
      const message = `The worker took ${this.#readings.at(-1)} bytes of the ${capBytes} it may take`;
      this.#fail("footprint", message, verdict === "far-over", "resource");
    }
  }

  #noteMemory(bytes: number, by: "system" | "worker"): void {
    this.#memory = noteMemory(this.#memory, { at: Date.now(), bytes });
    this.#options.onMemory(bytes, by);
  }

  #fail(cause: string, message: string, hung: boolean, kind: "crash" | "resource" = "crash"): void {
    if (this.#isOver) return;
    this.stop();
    this.#options.onFailure({ class: kind, reason: { code: "worker_crashed", cause, message } }, hung);
  }
}
