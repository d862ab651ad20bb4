import { extname, join } from "node:path";
import type { Piscina } from "piscina";
import { LmxError } from "../../../shared/errors.ts";
import { packageFiles } from "../../host/package-files.ts";
import type { DecodeOutcome, DecodeTask } from "./decode-thread.ts";
import type { FairTaskQueue } from "./fair-task-queue.ts";

/** Two large bodies at once: a third waits a few hundred milliseconds, and all of them together stay below 400 MB. */
const MAX_THREADS = 2;
/** A thread takes some 30 MB; without work for so long it goes. Milliseconds. */
const IDLE_THREAD_MS = 10_000;
/**
 * Bodies of one owner that wait for a thread. How many there are of all owners is bounded by the memory for requests,
 * which shares it between them.
 */
const MAX_WAITING_PER_OWNER = 64;
/** The largest body becomes 64 MiB, and twice that while it is checked and copied. */
const THREAD_HEAP_MB = 256;

type Task = Omit<DecodeTask, "version">;

interface Threads {
  readonly pool: Piscina<DecodeTask, DecodeOutcome>;
  readonly queue: FairTaskQueue;
  readonly taskOptions: symbol;
  /** Why a thread could not be started; null: none failed. */
  problem: Error | null;
}

/** The threads that decode large bodies: started with the first one, gone when there is nothing to do. */
export class DecodePool {
  /** Of this process. The files on disk may be replaced while it runs, and a thread reads them when it starts. */
  readonly #version = packageFiles().version;
  readonly #threadFile: string;
  #threads: Promise<Threads> | null = null;

  /** @param threadFile the module of a thread */
  constructor(threadFile = THREAD_FILE) {
    this.#threadFile = threadFile;
  }

  /**
   * @param owner whose body it is: owners take turns
   * @throws LmxError rate_limit_exceeded, request_too_large; internal_error when no thread can be started
   */
  async run(task: Task, owner: string): Promise<DecodeOutcome> {
    const threads = await this.#started();
    const { pool, queue, taskOptions } = threads;
    if (queue.sizeOf(owner) >= MAX_WAITING_PER_OWNER) throw tooManyBodies();
    try {
      return await pool.run(
        { ...task, version: this.#version, [taskOptions]: { owner } },
        { transferList: [task.port, task.bytes.buffer] },
      );
    } catch (error) {
      if (threads.problem !== null) throw cannotStart(threads.problem);
      throw isOutOfMemory(error) ? tooLargeToRead(error) : error;
    }
  }

  /** Ends the threads; what they had is refused. */
  async close(): Promise<void> {
    await (await this.#threads)?.pool.destroy();
  }

  async #started(): Promise<Threads> {
    this.#threads ??= startThreads(this.#threadFile, () => {
      this.#threads = null;
    });
    try {
      return await this.#threads;
    } catch (error) {
      this.#threads = null;
      throw cannotStart(error);
    }
  }
}

/** The sources in a clone, the build in an installed package. */
const THREAD_FILE = join(import.meta.dirname, `decode-thread${extname(import.meta.filename)}`);

/**
 * Loads the library with the first large body: most services never see one.
 * @param onLost called when a thread could not be started. The pool starts none after that, and would let what waits wait
 * for ever: it is ended, and the next body gets a new one.
 */
async function startThreads(filename: string, onLost: () => void): Promise<Threads> {
  const [{ Piscina }, { FairTaskQueue, taskOptions }] = await Promise.all([
    import("piscina"),
    import("./fair-task-queue.ts"),
  ]);
  const queue = new FairTaskQueue();
  const pool = new Piscina<DecodeTask, DecodeOutcome>({
    filename,
    name: "decodeInThread" satisfies keyof typeof import("./decode-thread.ts"),
    minThreads: 0,
    maxThreads: MAX_THREADS,
    idleTimeout: IDLE_THREAD_MS,
    // A thread asks for a model's settings in the middle of its task and must hear the answer.
    atomics: "disabled",
    resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB },
    taskQueue: queue,
    recordTiming: false,
  });
  const threads: Threads = { pool, queue, taskOptions, problem: null };
  pool.on("error", (error: Error) => {
    threads.problem ??= error;
    onLost();
    void pool.destroy();
  });
  return threads;
}

function isOutOfMemory(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
}

function tooLargeToRead(cause: Error): LmxError {
  const message = `The body takes more than ${THREAD_HEAP_MB} MB of memory to read; send a shorter conversation.`;
  return new LmxError("request_too_large", message, { cause });
}

function tooManyBodies(): LmxError {
  const message = `${MAX_WAITING_PER_OWNER} large bodies of yours wait to be read already; try again in a moment.`;
  return new LmxError("rate_limit_exceeded", message, { retryAfterSeconds: 2 });
}

function cannotStart(cause: unknown): LmxError {
  const message =
    "The service cannot start a thread to read a body this large. Shorter requests are served. Its operator: see the log, and restart it if it was just upgraded.";
  return new LmxError("internal_error", message, { cause });
}
