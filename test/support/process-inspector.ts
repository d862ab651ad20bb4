/**
 * Node's flag that puts the debugger of a process on a free port of this machine once SIGUSR1 asks for it. Until then
 * nothing listens.
 */
export const INSPECTABLE = "--inspect-port=127.0.0.1:0";

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** Where the debugger listens, as Node says on the process's stderr. */
export function debuggerUrlIn(stderr: string): string | undefined {
  return /Debugger listening on (ws:\S+)/.exec(stderr)?.[1];
}

/** A conversation with the debugger of one Node process. */
export class ProcessInspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #calls = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer;
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    });
    socket.addEventListener("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the process has ended"));
    });
  }

  /** @throws Error when nothing listens there */
  static async connect(url: string): Promise<ProcessInspector> {
    const socket = new WebSocket(url);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve(), { once: true });
      socket.addEventListener("error", () => reject(new Error(`no debugger at ${url}`)), { once: true });
    });
    return new ProcessInspector(socket);
  }

  /** Bytes of objects and of the buffers they own, once all that nobody needs has been collected. */
  async heldBytes(): Promise<number> {
    await this.#call("HeapProfiler.collectGarbage");
    const usage = await this.#call("Runtime.getHeapUsage");
    const { usedSize, backingStorageSize } = usage as { usedSize: number; backingStorageSize: number };
    return usedSize + backingStorageSize;
  }

  /** The value of an expression in the process, or of the promise it is; it must be one that JSON can carry. */
  async evaluate<T>(expression: string): Promise<T> {
    const params = { expression, returnByValue: true, awaitPromise: true };
    const answer = await this.#call("Runtime.evaluate", params);
    return (answer as { result: { value: T } }).result.value;
  }

  close(): void {
    this.#socket.close();
  }

  async #call(method: string, params: object = {}): Promise<unknown> {
    this.#calls += 1;
    const id = this.#calls;
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting.set(id, waiting);
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await waiting.promise;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }
}
