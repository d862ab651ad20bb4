import { createInterface } from "node:readline";
import type { Step, StepRow } from "../../../shared/worker-protocol.ts";
import type { Child, Children } from "./children.ts";
import type { BenchPlaces } from "./places.ts";
import { type StreamRequest, type StreamServer, TextStream } from "./text-stream.ts";

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
  readonly method?: string;
  readonly params?: Step;
}

/** A worker spoken to over its pipe with no supervisor in between, and as little of anything else as possible. */
export class DirectWorker implements StreamServer {
  readonly #child: Child;
  readonly #streams = new Map<string, TextStream>();
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  /** Hears the request ids of every step, when somebody listens. */
  onStep: (requestIds: readonly string[]) => void = () => {};
  #lastId = 0;

  private constructor(child: Child) {
    this.#child = child;
    const { stdout } = child.process;
    if (stdout === null) throw new Error("no stdout");
    createInterface({ input: stdout }).on("line", (line) => this.#read(JSON.parse(line) as Answer));
  }

  static async start(children: Children, places: BenchPlaces): Promise<DirectWorker> {
    const { file, args, env } = places.workerCommand;
    // Nobody pings it here.
    const child = children.start(file, args, { ...env, OPTA_LMX_DEADMAN_SECONDS: "0" });
    const worker = new DirectWorker(child);
    await child.unlessItEnds(worker.#call("initialize", { protocol_version: 1 }));
    await child.unlessItEnds(
      worker.#call("load", {
        model_id: places.modelId,
        path: places.modelDirectory,
        max_context_tokens: null,
        max_concurrency: 32,
      }),
    );
    return worker;
  }

  open(request: StreamRequest): TextStream {
    return this.openNamed(request).stream;
  }

  openNamed({ prompt, maxTokens }: StreamRequest): { readonly id: string; readonly stream: TextStream } {
    const id = `bench-${this.#lastId + 1}`;
    const stream = new TextStream();
    this.#streams.set(id, stream);
    stream.leave = () => {
      stream.fail(new Error("the client left"));
      this.#streams.delete(id);
      void this.#call("cancel", { request_id: id });
    };
    const request = {
      prompt: {
        kind: "messages",
        messages: [{ role: "user", content: prompt }],
        tools: [],
        chat_template_kwargs: {},
      },
      sampling: { temperature: 0, top_p: 1, seed: 0 },
      max_tokens: maxTokens,
    };
    this.#call("generate", { request_id: id, request }).catch((error) => stream.fail(error));
    return { id, stream };
  }

  async #call(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#child.process.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    const { error, result } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  #read(answer: Answer): void {
    if (answer.id !== undefined) {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    } else if (answer.method === "step" && answer.params !== undefined) {
      for (const row of answer.params.rows) this.#readRow(row);
      this.onStep(answer.params.rows.map((row) => row.request_id));
    }
  }

  #readRow({ request_id, events }: StepRow): void {
    const stream = this.#streams.get(request_id);
    for (const event of events) {
      if (event.type === "text") stream?.gotText();
      if (event.type === "error") stream?.fail(new Error(event.message));
      if (event.type !== "finish") continue;
      this.#streams.delete(request_id);
      stream?.finish({
        promptTokens: event.usage.prompt_tokens,
        completionTokens: event.usage.completion_tokens,
      });
    }
  }
}
