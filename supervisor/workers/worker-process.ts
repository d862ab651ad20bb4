import type { Readable, Writable } from "node:stream";
import { execa } from "execa";
import {
  MAX_ERROR_CHARACTERS,
  MAX_REQUEST_LINE_BYTES,
  MAX_WORKER_LINE_BYTES,
  MAX_WORKER_LINE_DEPTH,
  MAX_WORKER_LINE_HEAP_BYTES,
  MAX_WORKER_LINE_VALUES,
} from "../../shared/wire-limits.ts";
import {
  type MethodParams,
  type MethodResult,
  WORKER_METHODS,
  type WorkerMethod,
} from "../../shared/worker-protocol.ts";
import { isFinal, type LineSink, type PeerLimits, RpcPeer, type Violation } from "../rpc/peer.ts";
import { StderrTail } from "./stderr-tail.ts";
import { stopHung, stopOrderly } from "./stop-ladder.ts";
import type { WorkerCommand } from "./worker-command.ts";
import { endGroup, holdGroup, signalGroup } from "./worker-group.ts";

/** How long a dead worker's pipes are read on, in milliseconds. */
const LAST_OUTPUT_MS = 100;

const LIMITS: PeerLimits = {
  line: {
    bytes: MAX_WORKER_LINE_BYTES,
    values: MAX_WORKER_LINE_VALUES,
    heapBytes: MAX_WORKER_LINE_HEAP_BYTES,
    depth: MAX_WORKER_LINE_DEPTH,
  },
  maxRequestBytes: MAX_REQUEST_LINE_BYTES,
  maxErrorCharacters: MAX_ERROR_CHARACTERS,
};

/** How a worker ended. */
export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not be started, when it never ran. */
  readonly spawnError: NodeJS.ErrnoException | null;
  /** We ended it ourselves, and why; recorded before the first signal, so an unload is never taken for a crash. */
  readonly intent: string | null;
  readonly stderrTail: string;
}

export interface WorkerProcessHandlers {
  onNotification(method: string, params: unknown): void;
  onViolation(violation: Violation): void;
  /** It wrote to stderr. Must not throw. */
  onStderr(chunk: Buffer): void;
}

/** One worker's operating-system process and the conversation with it. It knows methods, but no model state. */
export class WorkerProcess {
  /** Undefined when the process could not be started; `exited` tells why. */
  readonly pid: number | undefined;
  /** Settles on the process's exit, never on a pipe's end: a grandchild may hold the pipes open. Never rejects. */
  readonly exited: Promise<WorkerExit>;
  readonly #child: ReturnType<typeof spawnWorker>;
  readonly #peer: RpcPeer;
  readonly #handlers: WorkerProcessHandlers;
  readonly #stderr = new StderrTail();
  #intent: string | null = null;
  #stopping: Promise<void> | null = null;
  #gone = false;

  constructor(command: WorkerCommand, handlers: WorkerProcessHandlers) {
    this.#child = spawnWorker(command);
    const child = this.#child.nodeChildProcess;
    this.pid = child.pid;
    if (child.pid !== undefined) holdGroup(child.pid);
    this.exited = this.#watchExit();
    this.#handlers = this.#guard(handlers);
    this.#peer = new RpcPeer(lineSink(this.#child.stdin), this.#handlers, LIMITS);
    // An unguarded pipe error (EPIPE while a worker dies) would end the supervisor.
    for (const pipe of [this.#child.stdin, this.#child.stdout, this.#child.stderr])
      pipe.on("error", () => {});
    this.#child.stdout.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr.push(chunk);
      handlers.onStderr(chunk);
    });
  }

  get stderrTail(): string {
    return this.#stderr.text();
  }

  /**
   * @throws RpcError the worker refused; RpcLostError it died or the time ran out; RpcTooLargeError nothing was sent;
   * ZodError its answer has the wrong shape
   */
  async request<M extends WorkerMethod>(
    method: M,
    params: MethodParams<M>,
    timeoutMs: number,
  ): Promise<MethodResult<M>> {
    const result = await this.#peer.request(method, params, { timeoutMs });
    return WORKER_METHODS[method].result.parse(result) as MethodResult<M>;
  }

  /** Ends the process on purpose. The first reason wins; a hung stop overtakes an orderly one. Resolves when it is gone. */
  stop(how: "orderly" | "hung", reason: string): Promise<void> {
    this.#intent ??= reason;
    const target = {
      exited: this.exited,
      askToShutDown: () => {
        this.#peer.request("shutdown", {}, { timeoutMs: 60_000 }).catch(() => {});
        this.#child.stdin.end();
      },
      signal: (name: NodeJS.Signals) => this.#signal(name),
    };
    if (how === "hung") return stopHung(target);
    this.#stopping ??= stopOrderly(target);
    return this.#stopping;
  }

  /** Ends the process at once, without asking. */
  kill(reason: string): void {
    this.#intent ??= reason;
    this.#signal("SIGKILL");
  }

  /** An exception in here would end the supervisor; it ends this worker instead. */
  #receive(chunk: Buffer): void {
    try {
      this.#peer.receive(chunk);
    } catch (error) {
      this.#handlers.onViolation({ kind: "reader-failed", excerpt: String((error as Error).stack ?? error) });
    }
  }

  #signal(name: NodeJS.Signals): void {
    // The pid of a reaped process may belong to somebody else by now.
    if (this.#gone || this.pid === undefined) return;
    // The stacks of the worker are asked for; whatever else is in its group would die of the question.
    if (name === "SIGUSR1") this.#child.nodeChildProcess.kill(name);
    else signalGroup(this.pid, name);
  }

  #watchExit(): Promise<WorkerExit> {
    const child = this.#child.nodeChildProcess;
    return new Promise((resolve) => {
      const settle = (
        code: number | null,
        signal: NodeJS.Signals | null,
        spawnError: NodeJS.ErrnoException | null,
      ) => {
        const stderrTail = this.#stderr.text();
        for (const pipe of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) pipe.destroy();
        this.#peer.close("the worker exited");
        resolve({ code, signal, spawnError, intent: this.#intent, stderrTail });
      };
      child.once("exit", (code, signal) => {
        this.#gone = true;
        if (this.pid !== undefined) endGroup(this.pid);
        // What it wrote last, a `fatal` perhaps, may still be in the pipes.
        void drained([this.#child.stdout, this.#child.stderr]).then(() => settle(code, signal, null));
      });
      if (child.pid === undefined) {
        // Out of descriptors or processes execa hands out a stand-in that tells nobody but its own promise.
        void this.#child.then(({ cause }) => {
          this.#gone = true;
          settle(null, null, (cause as NodeJS.ErrnoException | undefined) ?? new Error("not started"));
        });
      }
      child.once("error", (error: NodeJS.ErrnoException) => {
        if (child.pid !== undefined) return;
        this.#gone = true;
        settle(null, null, error);
      });
    });
  }

  #guard(handlers: WorkerProcessHandlers): WorkerProcessHandlers {
    return {
      ...handlers,
      onViolation: (violation) => {
        handlers.onViolation(violation);
        if (!isFinal(violation)) return;
        // Before its pipe is closed: on a busy machine a worker would end of that first, as if by itself.
        this.#signal("SIGKILL");
        this.#child.stdout.destroy();
      },
    };
  }
}

function spawnWorker(command: WorkerCommand) {
  const child = execa(command.file, [...command.args], {
    env: command.env,
    extendEnv: false,
    // The default keeps all output in memory and ends the child at 100 MB of it.
    buffer: false,
    reject: false,
    // A session of its own; execa cleans up nothing that is detached, worker-group.ts does.
    detached: true,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    encoding: "buffer",
  });
  // Its own promise settles seconds late when a grandchild holds a pipe; the exit event is what counts.
  child.catch(() => {});
  return child as typeof child & { stdin: Writable; stdout: Readable; stderr: Readable };
}

/** Ending the worker destroys stdin, which calls back every pending write with an error. */
function lineSink(stdin: Writable): LineSink {
  return {
    write: (pieces) =>
      new Promise((resolve, reject) => {
        // One system call for all of them.
        stdin.cork();
        for (const piece of pieces.slice(0, -1)) stdin.write(piece);
        stdin.write(pieces.at(-1) ?? "", (error) => (error ? reject(error) : resolve()));
        stdin.uncork();
      }),
  };
}

/** Resolves when both pipes have ended, or when a grandchild has held them open for long enough. */
async function drained(pipes: readonly Readable[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LAST_OUTPUT_MS);
  });
  const ended = pipes.map((pipe) =>
    pipe.closed ? null : new Promise((resolve) => pipe.once("close", resolve)),
  );
  try {
    await Promise.race([Promise.all(ended), timeUp]);
  } finally {
    clearTimeout(timer);
  }
}
