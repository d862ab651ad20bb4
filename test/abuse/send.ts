import { once } from "node:events";
import { Agent, type ClientRequest, request } from "node:http";
import { setImmediate as turn } from "node:timers/promises";

/** One hostile request. */
export interface Attack {
  readonly method?: string;
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers?: Record<string, string>;
  /** In chunks and without a length; else in one piece with its length. */
  readonly isChunked?: boolean;
}

/** How it was answered. */
export interface Reply {
  /** 0: the connection ended without an answer. */
  readonly status: number;
  /** Code of the error; null: none. */
  readonly code: string | null;
  readonly message: string;
  readonly param: string | null;
  /** Of the whole answer. */
  readonly bytes: number;
}

const CHUNK_BYTES = 256 * 1024;
/** More of an answer is not kept. */
const KEPT_BYTES = 64 * 1024;
const GIVEN_UP_MS = 120_000;

/** Sends it on a connection of its own and reads the answer, also one that comes before all is sent. Never rejects. */
export function send(url: string, attack: Attack): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  const { method = "POST", path, body, headers = {}, isChunked = false } = attack;
  const length: Record<string, number> = isChunked ? {} : { "content-length": body.byteLength };
  const agent = new Agent({ keepAlive: true });
  const call = request(`${url}${path}`, {
    method,
    agent,
    timeout: GIVEN_UP_MS,
    headers: { "content-type": "application/json", ...length, ...headers },
  });
  call.once("response", (response) => {
    const kept: Buffer[] = [];
    let bytes = 0;
    const end = () => {
      resolve({ ...readError(Buffer.concat(kept).toString()), status: response.statusCode ?? 0, bytes });
      agent.destroy();
    };
    response.on("data", (chunk: Buffer) => {
      if (bytes < KEPT_BYTES) kept.push(chunk);
      bytes += chunk.length;
    });
    response.once("end", end);
    response.once("error", end);
  });
  const lost = (message: string) => {
    resolve({ status: 0, code: null, message, param: null, bytes: 0 });
    agent.destroy();
  };
  call.once("timeout", () => call.destroy(new Error(`no answer within ${GIVEN_UP_MS} ms`)));
  // An answer that is there already counts; the rest of the body is not wanted.
  call.on("error", (error) => setImmediate(() => lost(error.message)));
  call.once("close", () => lost("the connection was closed"));
  void write(call, body);
  return promise;
}

/** Piece by piece, so that the sender's own event loop stays free. */
async function write(call: ClientRequest, body: Uint8Array): Promise<void> {
  for (let at = 0; at < body.byteLength && !call.destroyed; at += CHUNK_BYTES) {
    const isFlowing = call.write(body.subarray(at, at + CHUNK_BYTES));
    if (isFlowing) await turn();
    else await drained(call);
  }
  if (!call.destroyed) call.end();
}

async function drained(call: ClientRequest): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  await Promise.race(["drain", "close"].map((event) => once(call, event, { signal }))).catch(() => {});
  over.abort();
}

function readError(text: string): Pick<Reply, "code" | "message" | "param"> {
  try {
    const { error } = JSON.parse(text) as {
      error?: { code: string; message: string; param?: string | null };
    };
    if (error !== undefined) return { code: error.code, message: error.message, param: error.param ?? null };
  } catch {
    // Not an envelope of ours, or an event stream.
  }
  return { code: null, message: text.slice(0, 200), param: null };
}

/** Sends them all, so many at once. */
export async function sendAll<A extends Attack>(
  url: string,
  attacks: Iterable<A>,
  atOnce: number,
): Promise<{ readonly attack: A; readonly reply: Reply }[]> {
  const replies: { attack: A; reply: Reply }[] = [];
  const left = attacks[Symbol.iterator]();
  const one = async () => {
    for (let next = left.next(); next.done !== true; next = left.next())
      replies.push({ attack: next.value, reply: await send(url, next.value) });
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return replies;
}
