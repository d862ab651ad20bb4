export interface StreamRequest {
  readonly prompt: string;
  readonly maxTokens: number;
}

export interface StreamUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** Something that answers with a stream of text: a server over HTTP, or a worker over its pipe. */
export interface StreamServer {
  open(request: StreamRequest): TextStream;
}

/** What a client sees of one answer. Times are monotonic milliseconds. */
export class TextStream {
  readonly openedAt = performance.now();
  /** Arrival of each piece of text. */
  readonly textTimes: number[] = [];
  /** Rejects when the answer ended in any other way than complete. */
  readonly finished: Promise<StreamUsage>;
  /** The client hangs up. */
  leave: () => void = () => {};
  readonly #end = Promise.withResolvers<StreamUsage>();
  #waiting: { readonly count: number; readonly resolve: () => void } | null = null;

  constructor() {
    this.finished = this.#end.promise;
    this.finished.catch(() => {});
  }

  /** Milliseconds from opening to the first text. */
  async firstTextMs(): Promise<number> {
    await this.reaches(1);
    return (this.textTimes[0] ?? Number.NaN) - this.openedAt;
  }

  /** Resolves when this many pieces of text have come. One waiter at a time. */
  async reaches(count: number): Promise<void> {
    if (this.textTimes.length >= count) return;
    const reached = new Promise<void>((resolve) => {
      this.#waiting = { count, resolve };
    });
    await Promise.race([
      reached,
      this.finished.then(({ completionTokens }) => {
        if (this.textTimes.length < count)
          throw new Error(
            `expected ${count} pieces of text, got ${this.textTimes.length} (${completionTokens} tokens)`,
          );
      }),
    ]);
  }

  gotText(): void {
    this.textTimes.push(performance.now());
    if (this.#waiting !== null && this.textTimes.length >= this.#waiting.count) {
      this.#waiting.resolve();
      this.#waiting = null;
    }
  }

  finish(usage: StreamUsage): void {
    this.#end.resolve(usage);
  }

  fail(error: Error): void {
    this.#end.reject(error);
  }
}

/** Reads one answer to its end and checks that it is as long as asked: the model never ends by itself. */
export async function wholeAnswer(server: StreamServer, request: StreamRequest): Promise<TextStream> {
  const stream = server.open(request);
  const { completionTokens } = await stream.finished;
  if (completionTokens !== request.maxTokens)
    throw new Error(`expected ${request.maxTokens} tokens, got ${completionTokens}`);
  return stream;
}
