import { totalmem } from "node:os";
import { plainText } from "../../shared/plain-text.ts";
import { MAX_STEP_ROWS, MAX_WORD_CHARACTERS } from "../../shared/wire-limits.ts";
import {
  type Fatal,
  fatalSchema,
  type LoadProgress,
  loadProgressSchema,
  type MethodParams,
  type MethodResult,
  PROTOCOL_VERSION,
  preparingSchema,
  type Step,
  type StepRow,
  stepRowSchema,
  type WorkerMethod,
} from "../../shared/worker-protocol.ts";
import { NO_VIOLATIONS, noteViolation } from "../policy/watch/violations.ts";
import { isFinal, RpcLostError, type Violation } from "../rpc/peer.ts";
import { type EncodedRequest, toWire } from "./encoded-request.ts";
import { PreparingRequest } from "./preparing-request.ts";
import type { WorkerExit } from "./worker-process.ts";

/** The process behind a session; WorkerProcess is the real one. */
export interface WorkerConnection {
  readonly pid: number | undefined;
  readonly exited: Promise<WorkerExit>;
  readonly stderrTail: string;
  request<M extends WorkerMethod>(
    method: M,
    params: MethodParams<M>,
    timeoutMs: number,
  ): Promise<MethodResult<M>>;
  stop(how: "orderly" | "hung", reason: string): Promise<void>;
  kill(reason: string): void;
}

/** Who hears about one running generation. */
export interface RowListener {
  onRow(row: StepRow): void;
  /** The worker is gone; nothing more will come. */
  onLost(): void;
}

const UNREADABLE_FATAL: Fatal = { cause: "unknown", message: "its report cannot be read" };

/** A worker must take a request over within this time. Tokenising a 32 MiB prompt is the slowest honest case. */
const ACCEPT_TIMEOUT_MS = 120_000;
const CANCEL_TIMEOUT_MS = 30_000;

/** One worker in the words of the model's life: initialize, load, canary, generate. Rows are handed to their listeners. */
export class WorkerSession {
  readonly #connection: WorkerConnection;
  readonly #rows = new Map<string, RowListener>();
  /** Requests it did not answer in time, and whose cancel it has not answered either. */
  #unanswered = 0;
  readonly startedAt = new Date();
  readonly preparing = new PreparingRequest();
  /** When the last request came or went, or the model was loaded for one to come; monotonic milliseconds. */
  lastUsedAt = performance.now();
  #finished = 0;
  #handshake: Promise<MethodResult<"initialize">> | null = null;
  #onIdle: () => void = () => {};
  /** Set when the worker said that its engine cannot be trusted any more. */
  fatal: Fatal | null = null;
  initialized: MethodResult<"initialize"> | null = null;
  loaded: MethodResult<"load"> | null = null;
  #violations = NO_VIOLATIONS;
  /** It has said too much that is no message, or is being ended as one that cannot be asked: it is listened to no more. */
  #isDeaf = false;
  /** Hears what the worker said that is no message of the protocol, until that is too much. */
  onViolation: (violation: Violation) => void = () => {};
  /** It was too much. Without a listener the worker is ended. */
  onBabble: () => void = () => void this.kill("it said what is no message of the protocol");
  /** A request was answered to its end. */
  onFinished: () => void = () => {};
  onProgress: (progress: LoadProgress) => void = () => {};
  onStderr: (chunk: Buffer) => void = () => {};
  /** Notifications that had the wrong shape or named no running request. */
  droppedNotifications = 0;

  constructor(connect: (onNotification: (method: string, params: unknown) => void) => WorkerConnection) {
    this.#connection = connect((method, params) => this.#onNotification(method, params));
  }

  get pid(): number | null {
    return this.#connection.pid ?? null;
  }

  get exited(): Promise<WorkerExit> {
    return this.#connection.exited;
  }

  /** The last that it wrote to stderr. */
  get stderrTail(): string {
    return this.#connection.stderrTail;
  }

  get inFlight(): number {
    return this.#rows.size;
  }

  /** What it should be working on, also what it was sent and has not even answered since. */
  get owed(): number {
    return this.#rows.size + this.#unanswered;
  }

  /** The handshake, once: whoever asks again waits for the same answer. */
  initialize(timeoutMs: number): Promise<MethodResult<"initialize">> {
    this.#handshake ??= this.#connection
      .request("initialize", { protocol_version: PROTOCOL_VERSION }, timeoutMs)
      .then((result) => {
        this.initialized = result;
        return result;
      });
    return this.#handshake;
  }

  inspect(params: MethodParams<"inspect">, timeoutMs: number): Promise<MethodResult<"inspect">> {
    return this.#connection.request("inspect", params, timeoutMs);
  }

  async load(params: MethodParams<"load">, timeoutMs: number): Promise<MethodResult<"load">> {
    const result = believable(await this.#connection.request("load", params, timeoutMs));
    this.loaded = result;
    // The process may have waited for hours as the spare, and what was loaded just now is not the least recently used.
    this.lastUsedAt = performance.now();
    return result;
  }

  canary(params: MethodParams<"canary">, timeoutMs: number): Promise<MethodResult<"canary">> {
    return this.#connection.request("canary", params, timeoutMs);
  }

  ping(timeoutMs: number): Promise<MethodResult<"ping">> {
    return this.#connection.request("ping", {}, timeoutMs);
  }

  async stats(timeoutMs: number): Promise<MethodResult<"stats">> {
    const result = believable(await this.#connection.request("stats", {}, timeoutMs));
    return { ...result, cache_memory_bytes: Math.min(result.cache_memory_bytes, totalmem()) };
  }

  /** Resolves when the worker has accepted the request; rows go to the listener from then on, possibly before. */
  async generate(
    requestId: string,
    request: EncodedRequest,
    listener: RowListener,
    owner?: string,
  ): Promise<MethodResult<"generate">> {
    this.#rows.set(requestId, listener);
    this.preparing.sent(requestId);
    this.lastUsedAt = performance.now();
    try {
      const accepted = await this.#connection.request(
        "generate",
        { request_id: requestId, request: toWire(request), ...(owner !== undefined && { owner }) },
        ACCEPT_TIMEOUT_MS,
      );
      this.preparing.answered(requestId);
      return accepted;
    } catch (error) {
      this.preparing.answered(requestId, error);
      // It may still have taken the request, and would generate for nobody.
      if (error instanceof RpcLostError && error.kind === "timeout") {
        this.#unanswered += 1;
        this.cancel(requestId, () => (this.#unanswered -= 1));
      } else this.#drop(requestId);
      throw error;
    }
  }

  /** The row leaves before the worker's next step; late tokens are dropped by request id. A missing answer harms nobody. */
  cancel(requestId: string, onAnswer: () => void = () => {}): void {
    this.#drop(requestId);
    this.#connection.request("cancel", { request_id: requestId }, CANCEL_TIMEOUT_MS).then(onAnswer, () => {});
  }

  /** Everything in flight is told that the worker is gone. */
  loseAll(): void {
    const listeners = [...this.#rows.values()];
    this.#rows.clear();
    this.#onIdle();
    for (const listener of listeners) listener.onLost();
  }

  stop(how: "orderly" | "hung", reason: string): Promise<void> {
    this.#isDeaf ||= how === "hung";
    return this.#connection.stop(how, reason);
  }

  /** SIGKILL at once; resolves when the process is gone. */
  async kill(reason: string): Promise<void> {
    this.#connection.kill(reason);
    await this.exited;
  }

  /** Resolves when nothing runs any more, the worker is gone, or the time is up. */
  async idle(timeoutMs: number): Promise<void> {
    if (this.#rows.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        timer = setTimeout(resolve, timeoutMs);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** The worker said what is no message of the protocol. */
  noteViolation(violation: Violation): void {
    if (this.#isDeaf) return;
    this.onViolation(violation);
    const kind = violation.kind === "wrong-shape" ? "shape" : "line";
    const { times, isTooMany } = noteViolation(this.#violations, kind, performance.now());
    this.#violations = times;
    if (!isTooMany && !isFinal(violation)) return;
    this.#isDeaf = true;
    this.onBabble();
  }

  /** Requests finished since the last call. */
  takeFinished(): number {
    const finished = this.#finished;
    this.#finished = 0;
    return finished;
  }

  #onFinish(): void {
    this.#finished += 1;
    this.onFinished();
  }

  /** The request whose row cannot be read gets an error: its next rows would lack what this one held. */
  #refuseRow(id: string, listener: RowListener): void {
    const message = "The worker's answer has the wrong shape.";
    this.cancel(id);
    listener.onRow({
      request_id: id,
      position: 0,
      token_ids: [],
      events: [{ type: "error", code: "worker_crashed", message }],
    });
  }

  /** Something of the wrong shape, or for nobody. Late rows of a cancelled request are no fault. */
  #dropNotification(what: string, isFault: boolean): void {
    this.droppedNotifications += 1;
    if (isFault) this.noteViolation({ kind: "wrong-shape", excerpt: what });
  }

  #drop(requestId: string): void {
    this.#rows.delete(requestId);
    this.lastUsedAt = performance.now();
    if (this.#rows.size === 0) this.#onIdle();
  }

  #onNotification(method: string, params: unknown): void {
    switch (method) {
      case "step":
        this.#onStep(params);
        return;
      case "load_progress": {
        const progress = loadProgressSchema.safeParse(params);
        if (progress.success) this.onProgress(progress.data);
        else this.#dropNotification("load_progress", true);
        return;
      }
      case "preparing": {
        const preparing = preparingSchema.safeParse(params);
        const isKnown = preparing.success && this.preparing.begun(preparing.data.request_id);
        if (!isKnown) this.#dropNotification("preparing", !preparing.success);
        return;
      }
      case "fatal": {
        const fatal = fatalSchema.safeParse(params);
        this.fatal = fatal.success ? fatal.data : UNREADABLE_FATAL;
        return;
      }
      default:
        this.#dropNotification(plainText(method, MAX_WORD_CHARACTERS), true);
    }
  }

  #onStep(params: unknown): void {
    const rows = (params as Partial<Step> | undefined)?.rows;
    if (!Array.isArray(rows) || rows.length > MAX_STEP_ROWS) {
      this.#dropNotification("step", true);
      return;
    }
    for (const candidate of rows) this.#onRow(candidate);
  }

  /** Whose it is is looked at first: what nobody waits for, or somebody says who babbles, costs no reading. */
  #onRow(candidate: unknown): void {
    if (this.#isDeaf) return;
    const id = (candidate as { request_id?: unknown } | null)?.request_id;
    const listener = typeof id === "string" ? this.#rows.get(id) : undefined;
    if (typeof id !== "string" || listener === undefined) {
      this.#dropNotification("row", typeof id !== "string");
      return;
    }
    const row = stepRowSchema.safeParse(candidate);
    if (!row.success) {
      this.#dropNotification("row", true);
      this.#refuseRow(id, listener);
      return;
    }
    const last = row.data.events.at(-1)?.type;
    listener.onRow(row.data);
    if (last === "finish") this.#onFinish();
    if (last === "finish" || last === "error") this.#drop(id);
  }
}

/** No process takes more memory than the machine has, whatever it says. */
function believable<Report extends { readonly memory_bytes: number; readonly peak_memory_bytes: number }>(
  report: Report,
): Report {
  const most = totalmem();
  const memory_bytes = Math.min(report.memory_bytes, most);
  const peak_memory_bytes = Math.min(report.peak_memory_bytes, most);
  return { ...report, memory_bytes, peak_memory_bytes };
}
