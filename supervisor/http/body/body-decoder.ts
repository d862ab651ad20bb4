import { extname, join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import type { Piscina } from "piscina";
import type { ModelSettings } from "../../../shared/config.ts";
import { LmxError } from "../../../shared/errors.ts";
import type { Encoded } from "../dialects/dialect.ts";
import { type BodyToDecode, type DecodedBody, decodeBody, type FindSettings } from "./decode-body.ts";
import type { DecodeOutcome, DecodeTask, SettingsAnswer } from "./decode-thread.ts";
import type { FairTaskQueue } from "./fair-task-queue.ts";
import type { CallOf, InferenceApi } from "./inference-apis.ts";
import type { ReadBody } from "./read-body.ts";

/** How much of a body may be decoded on the event loop. */
export interface InlineLimits {
  readonly bytes: number;
  readonly values: number;
}

/**
 * Below 20 ms there: `npm run bench -- --only small-body-hold`. Everything else goes to another thread, where
 * `large-body-hold` is what reading it takes.
 */
export const INLINE_LIMITS: InlineLimits = { bytes: 256 * 1024, values: 5_000 };

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

export interface DecodeOptions {
  /** Seed of a request that names none. */
  readonly assignedSeed: number;
  /** Whose body it is: owners take turns at the threads. */
  readonly owner: string;
  readonly findSettings: FindSettings;
}

interface DecodePool {
  readonly pool: Piscina<DecodeTask, DecodeOutcome>;
  readonly queue: FairTaskQueue;
  readonly taskOptions: symbol;
}

/** Decodes inference bodies: small ones at once, large ones in a thread, so that nobody's body stops the event loop. */
export class BodyDecoder {
  readonly #inline: InlineLimits;
  #pool: Promise<DecodePool> | null = null;

  constructor(inline: InlineLimits = INLINE_LIMITS) {
    this.#inline = inline;
  }

  /** @throws LmxError invalid_request_error, unsupported_parameter, rate_limit_exceeded, or what `findSettings` throws */
  async decode<Api extends InferenceApi>(
    api: Api,
    { bytes, values }: ReadBody,
    { assignedSeed, owner, findSettings }: DecodeOptions,
  ): Promise<Encoded<CallOf<Api>>> {
    const body = { api, bytes, assignedSeed };
    const isSmall = bytes.byteLength <= this.#inline.bytes && values <= this.#inline.values;
    const decoded = isSmall
      ? await decodeBody(body, findSettings)
      : await this.#decodeInThread(body, owner, findSettings);
    // The call is of the API's own dialect, which `decodeBody` chose by the same name.
    return assemble(decoded) as unknown as Encoded<CallOf<Api>>;
  }

  /** Ends the threads; what they had is refused. */
  async close(): Promise<void> {
    await (await this.#pool)?.pool.destroy();
  }

  async #decodeInThread(body: BodyToDecode, owner: string, findSettings: FindSettings): Promise<DecodedBody> {
    this.#pool ??= createPool();
    const { pool, queue, taskOptions } = await this.#pool;
    if (queue.sizeOf(owner) >= MAX_WAITING_PER_OWNER) throw tooManyBodies();
    const { port1: port, port2 } = new MessageChannel();
    let problem: unknown;
    port.once("message", async (model: string) => {
      const answer = await findSettings(model).then(found, (error: unknown) => {
        problem = error;
        return NO_SETTINGS;
      });
      port.postMessage(answer);
    });
    try {
      const task = { ...body, port: port2, [taskOptions]: { owner } };
      const outcome = await pool.run(task, { transferList: [port2, body.bytes.buffer] });
      if (outcome.kind === "decoded") return outcome.body;
      if (outcome.kind === "no-settings") throw problem;
      throw new LmxError(
        outcome.code,
        outcome.message,
        outcome.param === null ? {} : { param: outcome.param },
      );
    } catch (error) {
      throw isOutOfMemory(error) ? tooLargeToRead(error) : error;
    } finally {
      port.close();
    }
  }
}

const NO_SETTINGS: SettingsAnswer = { kind: "none" };

function found(settings: ModelSettings): SettingsAnswer {
  return { kind: "settings", settings };
}

/** Loaded with the first large body: most services never see one. */
async function createPool(): Promise<DecodePool> {
  const [{ Piscina }, { FairTaskQueue, taskOptions }] = await Promise.all([
    import("piscina"),
    import("./fair-task-queue.ts"),
  ]);
  const queue = new FairTaskQueue();
  const pool = new Piscina<DecodeTask, DecodeOutcome>({
    // The sources in a clone, the build in an installed package.
    filename: join(import.meta.dirname, `decode-thread${extname(import.meta.filename)}`),
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
  return { pool, queue, taskOptions };
}

function assemble({ call, prompts, requests }: DecodedBody) {
  return {
    ...call,
    requests: requests.flatMap(({ prompt, options }) => {
      const encoded = prompts[prompt];
      return encoded === undefined ? [] : [{ ...options, prompt: encoded }];
    }),
  };
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
