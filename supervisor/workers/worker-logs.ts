import { escapedJson } from "../../shared/control-characters.ts";
import type { LogFile } from "../host/log-file.ts";
import { type RedactionFacts, redact } from "../policy/redact.ts";
import { StderrLines } from "./stderr-lines.ts";
import type { WorkerExit } from "./worker-process.ts";

/** Takes down what the workers of a model write to stderr. */
export interface WorkerLogSink {
  /** From its first word, also what it said before it belonged to the model, to its last. */
  attach(modelId: string, worker: LoggedWorker): void;
}

/** What is taken down of a worker; WorkerSession is the real one. */
export interface LoggedWorker {
  readonly pid: number | null;
  readonly exited: Promise<Pick<WorkerExit, "code" | "signal" | "intent">>;
  /** What it has written so far, the end of it where it was much. */
  readonly stderrTail: string;
  onStderr: (chunk: Buffer) => void;
}

/** Takes nothing down. */
export const NO_WORKER_LOGS: WorkerLogSink = { attach: () => {} };

/** A worker that writes more than this within a second is not followed: cleaning it would hold everybody up. Characters. */
const MOST_PER_SECOND = 256 * 1024;

export interface WorkerLogsOptions {
  /** The file of a model. */
  open(modelId: string): Pick<LogFile, "write" | "close">;
  /** What must not stand in it. */
  redaction(): RedactionFacts;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** One file a model, in lines like those of the supervisor's log. */
export class WorkerLogs implements WorkerLogSink {
  readonly #options: WorkerLogsOptions;
  readonly #files = new Map<string, Pick<LogFile, "write" | "close">>();
  /** How many workers write to a model's file now. */
  readonly #writers = new Map<string, number>();

  constructor(options: WorkerLogsOptions) {
    this.#options = options;
  }

  attach(modelId: string, worker: LoggedWorker): void {
    const file = this.#files.get(modelId) ?? this.#options.open(modelId);
    this.#files.set(modelId, file);
    this.#writers.set(modelId, (this.#writers.get(modelId) ?? 0) + 1);
    const { pid } = worker;
    const tell = (msg: string, fields: object = {}) => {
      const line = { level: 30, time: this.#options.now(), model: modelId, pid, ...fields, msg };
      file.write(`${escapedJson(JSON.stringify(line))}\n`);
    };
    const lines = new StderrLines();
    const flood = new Flood(this.#options.now);
    const keys = new PrivateKeyLines();
    const tellLeftOut = (lost: number) => {
      if (lost > 0) tell("lines of this worker were left out: too many at once", { lost });
    };
    const write = (said: readonly string[]) => {
      for (const text of said) {
        const { isKept, leftOut } = flood.take(text.length);
        tellLeftOut(leftOut);
        const isSecret = keys.isWithin(text);
        if (isKept && !isSecret) tell(redact(text, this.#options.redaction()));
      }
    };
    tell("worker taken");
    write(lines.push(Buffer.from(worker.stderrTail)));
    worker.onStderr = (chunk) => write(lines.push(chunk));
    void worker.exited.then(({ code, signal, intent }) => {
      write(lines.end());
      tellLeftOut(flood.untold());
      tell("worker exited", { code, signal, intent });
      this.#leave(modelId, file);
    });
  }

  /** A model without a worker keeps no file open. */
  #leave(modelId: string, file: Pick<LogFile, "close">): void {
    const left = (this.#writers.get(modelId) ?? 1) - 1;
    this.#writers.set(modelId, left);
    if (left === 0) file.close().catch(() => {});
  }

  /** Resolves when all is written, or given up. */
  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.close()));
  }
}

/** How much of a flood is let through. */
class Flood {
  readonly #now: () => number;
  #second = 0;
  #length = 0;
  #leftOut = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @returns whether this line is kept, and how many before it were not, told once */
  take(length: number): { readonly isKept: boolean; readonly leftOut: number } {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) [this.#second, this.#length] = [second, 0];
    this.#length += length;
    if (this.#length > MOST_PER_SECOND) {
      this.#leftOut += 1;
      return { isKept: false, leftOut: 0 };
    }
    return { isKept: true, leftOut: this.untold() };
  }

  /** Lines that were not kept and have not been told of. */
  untold(): number {
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}

/** Finds the lines between the first and the last of a private key, which alone look like nothing. */
class PrivateKeyLines {
  #isInside = false;

  isWithin(line: string): boolean {
    const wasInside = this.#isInside;
    if (/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----/.test(line)) this.#isInside = true;
    else if (!/^\s*[\w+/=]{1,128}\s*$/.test(line)) this.#isInside = false;
    return wasInside && this.#isInside;
  }
}
