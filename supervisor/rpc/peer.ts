import { plainText } from "../../shared/plain-text.ts";
import { jsonPieces } from "../json/raw-json.ts";
import type { LineFault, LineLimits } from "./line-measure.ts";
import { LineSplitter } from "./line-splitter.ts";
import { suspendAwareTimer } from "./suspend-aware-timer.ts";

/** Where lines go. The peer never learns what is behind it. */
export interface LineSink {
  /** One line in pieces. Resolves when it was handed to the operating system; rejects when it cannot be. */
  write(pieces: readonly (string | Uint8Array)[]): Promise<void>;
}

export interface PeerHandlers {
  /** A notification from the other side; params are unchecked. */
  onNotification(method: string, params: unknown): void;
  /** The other side broke the protocol: a line that is no JSON, no JSON-RPC, of the wrong shape, or longer than allowed. */
  onViolation(violation: Violation): void;
}

export interface Violation {
  readonly kind: "not-json" | "not-rpc" | "unknown-id" | "wrong-shape" | "reader-failed" | LineFault;
  /** Beginning of the offending line, for the log. */
  readonly excerpt: string;
}

/** Past a line that nobody can read, or one that broke the reader, nothing can be trusted. */
export function isFinal({ kind }: Pick<Violation, "kind">): boolean {
  return kind === "line-too-long" || kind === "line-too-rich" || kind === "reader-failed";
}

export interface PeerLimits {
  readonly line: LineLimits;
  readonly maxRequestBytes: number;
  /** What is kept of the words of an error. Characters. */
  readonly maxErrorCharacters: number;
}

export interface RequestOptions {
  /** Milliseconds until the request rejects; the other side is not told. */
  readonly timeoutMs: number;
}

/** An error answered by the other side. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: number, message: string, data: Readonly<Record<string, unknown>>) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data;
  }
}

/** The request was never answered: time ran out, or the connection closed. */
export class RpcLostError extends Error {
  readonly kind: "timeout" | "closed";

  constructor(kind: "timeout" | "closed", message: string) {
    super(message);
    this.name = "RpcLostError";
    this.kind = kind;
  }
}

/** The encoded request is over the line cap; nothing was written. */
export class RpcTooLargeError extends Error {
  readonly bytes: number;

  constructor(bytes: number, limit: number) {
    super(`The encoded request is ${bytes} bytes; the limit is ${limit}`);
    this.name = "RpcTooLargeError";
    this.bytes = bytes;
  }
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

const EXCERPT_LENGTH = 200;

/** Facts beside an error: so many, names and texts not longer than this. */
const MAX_ERROR_FACTS = 16;
const MAX_ERROR_FACT_CHARACTERS = 256;

/** A JSON-RPC 2.0 client over lines. It knows no model and no process. */
export class RpcPeer {
  readonly #sink: LineSink;
  readonly #handlers: PeerHandlers;
  readonly #splitter: LineSplitter;
  readonly #limits: PeerLimits;
  readonly #waiting = new Map<number, Waiting>();
  /** Ids that timed out: their late answer is no violation. */
  readonly #abandoned = new Set<number>();
  #nextId = 1;
  #closed: Error | null = null;

  /** A line was no line: what comes behind it, until the other side is ended, is not read. */
  #isBroken = false;

  constructor(sink: LineSink, handlers: PeerHandlers, limits: PeerLimits) {
    this.#sink = sink;
    this.#handlers = handlers;
    this.#splitter = new LineSplitter(limits.line);
    this.#limits = limits;
  }

  /**
   * @returns the unchecked result
   * @throws RpcError, RpcLostError or RpcTooLargeError
   */
  request(method: string, params: unknown, options: RequestOptions): Promise<unknown> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    const id = this.#nextId++;
    const pieces = [...jsonPieces({ jsonrpc: "2.0", id, method, params }), "\n"];
    const bytes = pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0);
    const { maxRequestBytes } = this.#limits;
    if (bytes > maxRequestBytes) return Promise.reject(new RpcTooLargeError(bytes, maxRequestBytes));
    return new Promise((resolve, reject) => {
      const forgetTimeout = suspendAwareTimer(options.timeoutMs, () => {
        this.#abandoned.add(id);
        settle(id, () =>
          reject(new RpcLostError("timeout", `${method} was not answered within ${options.timeoutMs} ms`)),
        );
      });
      const settle = (key: number, act: () => void) => {
        forgetTimeout();
        if (this.#waiting.delete(key)) act();
      };
      this.#waiting.set(id, {
        resolve: (result) => settle(id, () => resolve(result)),
        reject: (error) => settle(id, () => reject(error)),
      });
      this.#sink.write(pieces).catch((error: Error) => {
        this.#waiting
          .get(id)
          ?.reject(new RpcLostError("closed", `${method} could not be sent: ${error.message}`));
      });
    });
  }

  /** Bytes from the other side, in order. */
  receive(chunk: Uint8Array): void {
    if (this.#closed !== null || this.#isBroken) return;
    const { lines, fault } = this.#splitter.push(chunk);
    for (const line of lines) this.#onLine(line);
    if (fault === null) return;
    this.#isBroken = true;
    this.#handlers.onViolation({ kind: fault, excerpt: "" });
  }

  /** The connection is gone: everything that waits is told so. Idempotent. */
  close(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = new RpcLostError("closed", reason);
    for (const waiting of [...this.#waiting.values()]) waiting.reject(this.#closed);
  }

  #onLine(line: string): void {
    if (line.trim() === "") return;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.#violated("not-json", line);
      return;
    }
    if (!isRecord(message) || message.jsonrpc !== "2.0") {
      this.#violated("not-rpc", line);
      return;
    }
    if (typeof message.method === "string" && message.id === undefined) {
      this.#handlers.onNotification(message.method, message.params);
      return;
    }
    this.#onAnswer(message, line);
  }

  #onAnswer(message: Record<string, unknown>, line: string): void {
    const waiting = typeof message.id === "number" ? this.#waiting.get(message.id) : undefined;
    if (waiting === undefined) {
      if (typeof message.id === "number" && this.#abandoned.delete(message.id)) return;
      this.#violated("unknown-id", line);
      return;
    }
    if (isRecord(message.error)) waiting.reject(toRpcError(message.error, this.#limits));
    else if ("result" in message) waiting.resolve(message.result);
    else waiting.reject(new RpcError(-32603, "The answer has neither result nor error", {}));
  }

  #violated(kind: Violation["kind"], line: string): void {
    this.#handlers.onViolation({ kind, excerpt: plainText(line, EXCERPT_LENGTH) });
  }
}

function toRpcError(error: Record<string, unknown>, { maxErrorCharacters }: PeerLimits): RpcError {
  const code = typeof error.code === "number" ? error.code : -32603;
  const message = typeof error.message === "string" ? error.message : "unknown error";
  return new RpcError(
    code,
    plainText(message, maxErrorCharacters),
    isRecord(error.data) ? shortFacts(error.data) : {},
  );
}

/** Words, numbers and truths of an error's data; its lists and objects are left out. */
function shortFacts(data: Record<string, unknown>): Record<string, unknown> {
  const facts: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(data).slice(0, MAX_ERROR_FACTS)) {
    if (name.length > MAX_ERROR_FACT_CHARACTERS) continue;
    if (typeof value === "string") facts[name] = plainText(value, MAX_ERROR_FACT_CHARACTERS);
    else if (typeof value === "number" || typeof value === "boolean") facts[name] = value;
  }
  return facts;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
