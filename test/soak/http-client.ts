import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { AnswerReader } from "./answer-reader.ts";
import type { Ended, SoakRequest } from "./request.ts";

/** No request of a soak may take longer, by its scaled timeouts. Milliseconds. */
export const HANG_MS = 120_000;

export interface HttpClientOptions {
  readonly url: string;
  readonly adminKey: string | null;
  readonly apiKey: string | null;
}

/** Sends requests over connections that are kept, and says how each ended. */
export class HttpClient {
  readonly #url: URL;
  readonly #keys: Readonly<Record<string, string>>;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 64 });

  constructor({ url, adminKey, apiKey }: HttpClientOptions) {
    this.#url = new URL(url);
    this.#keys = {
      ...(adminKey === null ? {} : { "x-admin-key": adminKey }),
      ...(apiKey === null ? {} : { "x-api-key": apiKey }),
    };
  }

  /** Never rejects. */
  send(request: SoakRequest): Promise<Ended> {
    return new Promise(
      (resolve) => new OneRequest(request, (isAgain) => this.#open(request, isAgain), resolve),
    );
  }

  /** The body of a GET, parsed. @throws Error when it is not answered with 200 */
  async get<T>(path: string): Promise<T> {
    const answer = await fetch(new URL(path, this.#url), { headers: this.#keys });
    if (!answer.ok) throw new Error(`GET ${path}: HTTP ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  close(): void {
    this.#agent.destroy();
  }

  #open({ method, path, body }: SoakRequest, isAgain: boolean): ClientRequest {
    const headers: Record<string, string | number> = { ...this.#keys };
    if (body !== null) {
      headers["content-type"] = "application/json";
      headers["content-length"] = Buffer.byteLength(body);
    }
    // The second try of a connection that had just been closed gets a new one.
    const opened = httpRequest(new URL(path, this.#url), {
      method,
      headers,
      agent: isAgain ? false : this.#agent,
    });
    opened.end(body ?? undefined);
    return opened;
  }
}

/** From the first byte sent until its one end. */
class OneRequest {
  readonly #request: SoakRequest;
  readonly #openedAt = performance.now();
  readonly #open: (isAgain: boolean) => ClientRequest;
  readonly #resolve: (ended: Ended) => void;
  readonly #timers: NodeJS.Timeout[] = [];
  #opened: ClientRequest;
  #reader: AnswerReader | null = null;
  #begunAt: number | null = null;
  #isOver = false;

  constructor(
    request: SoakRequest,
    open: (isAgain: boolean) => ClientRequest,
    resolve: (ended: Ended) => void,
  ) {
    this.#request = request;
    this.#open = open;
    this.#resolve = resolve;
    this.#opened = this.#start(false);
    this.#after(HANG_MS, () => this.#end("lost", `no end within ${HANG_MS} ms`));
    if (request.reading.kind === "leaves")
      this.#after(request.reading.afterMs, () => this.#end("aborted", null));
  }

  #start(isAgain: boolean): ClientRequest {
    const opened = this.#open(isAgain);
    opened.once("response", (response) => this.#onResponse(response));
    opened.on("error", (error: NodeJS.ErrnoException) => {
      if (this.#isOver) return;
      // Closed by the server as we wrote into it: nothing was read there, so HTTP says to send it again.
      const isStale = opened.reusedSocket && error.code === "ECONNRESET" && this.#reader === null;
      if (isStale && !isAgain) this.#opened = this.#start(true);
      else this.#end("lost", `the connection failed: ${error.message}`);
    });
    return opened;
  }

  #onResponse(response: IncomingMessage): void {
    const reader = new AnswerReader(response.statusCode ?? 0, response.headers["content-type"] ?? "");
    this.#reader = reader;
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      reader.push(chunk);
      if (this.#begunAt === null && reader.hasBegun) this.#begunAt = performance.now();
    });
    response.once("end", () => this.#end(null, null));
    response.once("error", (error) => this.#end("lost", `the answer broke off: ${error.message}`));
    response.once("close", () => this.#end("lost", "the answer broke off"));
    const { reading } = this.#request;
    if (reading.kind !== "pauses") return;
    response.pause();
    this.#after(reading.forMs, () => response.resume());
  }

  /** The first reason wins. @param outcome null: what the answer says */
  #end(outcome: "lost" | "aborted" | null, problem: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const endedAt = performance.now();
    if (outcome !== null) this.#opened.destroy();
    const read = this.#reader?.finish();
    const answer = read?.answer ?? { status: 0, error: null, text: "" };
    this.#resolve({
      outcome: outcome ?? answer.error ?? "ok",
      malformed: problem ?? (outcome === null ? (read?.malformed ?? null) : null),
      answer,
      openedAt: this.#openedAt,
      begunAt: this.#begunAt,
      endedAt,
    });
  }

  #after(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, ms));
  }
}
