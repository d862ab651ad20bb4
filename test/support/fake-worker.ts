import type { StepRow, WorkerMethod } from "../../shared/worker-protocol.ts";
import { RpcError, RpcLostError } from "../../supervisor/rpc/peer.ts";
import { encodeRequest } from "../../supervisor/workers/encoded-request.ts";
import type { WorkerExit } from "../../supervisor/workers/worker-process.ts";
import { WorkerSession } from "../../supervisor/workers/worker-session.ts";

interface Asked {
  readonly method: WorkerMethod;
  readonly params: Record<string, unknown>;
  answer(result: unknown): void;
  refuse(word: string, message: string, param?: string): void;
  /** As when it does not answer in time. */
  timeOut(): void;
}

const VERSIONS = { python: "3", mlx: "0.1", mlx_lm: "0.2", transformers: "5" };
export const SOUND_CANARY = {
  token_ids: [5, 6],
  text: "ok",
  decodes: true,
  finished: true,
  non_finite_steps: 0,
  constant_steps: 0,
  seconds: 0,
};
const LOADED = {
  model_type: "llama",
  context_tokens: 100,
  vocab_size: 9,
  eos_token_ids: [1],
  tool_parser: null,
  has_thinking: false,
  memory_bytes: 1,
  peak_memory_bytes: 2,
  load_seconds: 0.5,
};

/** A worker without a process: the test reads what it was asked and decides what it says and when it dies. */
export class FakeWorker {
  readonly session: WorkerSession;
  readonly asked: Asked[] = [];
  readonly stops: string[] = [];
  readonly pid: number;
  #notify: (method: string, params: unknown) => void = () => {};
  readonly #exited = Promise.withResolvers<WorkerExit>();
  readonly #rejects = new Set<(error: Error) => void>();

  /**
   * @param manual methods the test answers itself; the others are answered as by a sound worker
   * @param stops one that is told to leave is gone after this
   */
  constructor(pid: number, manual: readonly WorkerMethod[] = [], stops: Promise<void> = Promise.resolve()) {
    this.pid = pid;
    this.session = new WorkerSession((notify) => {
      this.#notify = notify;
      return {
        pid,
        exited: this.#exited.promise,
        stderrTail: "",
        request: (method, params) =>
          this.#request(method, params as Record<string, unknown>, manual) as Promise<never>,
        stop: (how) => {
          this.stops.push(how);
          return stops.then(() => this.die({ code: 0, intent: "stopped" }));
        },
        kill: () => this.die({ signal: "SIGKILL", intent: "killed" }),
      };
    });
  }

  /** Ids of the requests it was given, newest last. */
  get requestIds(): string[] {
    return this.asked
      .filter(({ method }) => method === "generate")
      .map(({ params }) => String(params.request_id));
  }

  say(method: string, params: unknown): void {
    this.#notify(method, params);
  }

  /** One step line with one row. */
  row(events: StepRow["events"], requestId = this.requestIds.at(-1) ?? ""): void {
    this.say("step", { step: 1, rows: [{ request_id: requestId, position: 0, token_ids: [3], events }] });
  }

  die(exit: Partial<WorkerExit> = {}): void {
    this.#exited.resolve({
      code: null,
      signal: null,
      spawnError: null,
      intent: null,
      stderrTail: "",
      ...exit,
    });
    for (const reject of this.#rejects) reject(new RpcLostError("closed", "the worker exited"));
  }

  #request(
    method: WorkerMethod,
    params: Record<string, unknown>,
    manual: readonly WorkerMethod[],
  ): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#rejects.add(reject);
    this.asked.push({
      method,
      params,
      answer: resolve,
      refuse: (word, message, param) => reject(new RpcError(-32000, message, { code: word, param })),
      timeOut: () => reject(new RpcLostError("timeout", `${method} was not answered`)),
    });
    if (!manual.includes(method)) resolve(soundAnswer(method, this.pid));
    return promise;
  }
}

function soundAnswer(method: WorkerMethod, pid: number): unknown {
  switch (method) {
    case "initialize":
      return { protocol_version: 1, pid, versions: VERSIONS, device: "cpu" };
    case "load":
      return LOADED;
    case "canary":
      return SOUND_CANARY;
    case "generate":
      return { prompt_tokens: 3, max_tokens: 10, seed: 1 };
    case "cancel":
      return { cancelled: true };
    default:
      return {};
  }
}

export const REQUEST = encodeRequest({
  prompt: { kind: "text", text: "hi" },
  sampling: { temperature: 0, top_p: 1, seed: 1 },
  max_tokens: 10,
});

export const FINISH = {
  type: "finish",
  reason: "stop",
  usage: { prompt_tokens: 3, completion_tokens: 1, cached_tokens: 0, reasoning_tokens: 0 },
} as const;

/** Lets everything that is ready to run, run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
