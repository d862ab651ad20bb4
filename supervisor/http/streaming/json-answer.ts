import type { Context } from "hono";
import type { AppEnv } from "../app-context.ts";

/** One write of an answer. Characters. */
const CHUNK_CHARACTERS = 64 * 1024;
/** So long an answer is written before others have their turn. Milliseconds. */
const TURN_MS = 10;

/**
 * A JSON answer from its pieces, which are made with a turn for everybody else between them. Nothing is sent before all of
 * it is there, so that a failure is answered as one.
 * @throws whatever making a piece throws; the reason of the request's signal when its client leaves
 */
export async function jsonAnswer(c: Context<AppEnv>, pieces: Iterable<string>): Promise<Response> {
  const chunks = await gather(pieces, c.req.raw.signal);
  const length = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const headers = { "content-type": "application/json", "content-length": String(length) };
  const [first] = chunks;
  // Nearly every answer is one chunk, which needs no stream.
  const body = first !== undefined && chunks.length === 1 ? first : streamOf(chunks);
  return c.body(body, 200, headers);
}

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  const rest = chunks.values();
  return new ReadableStream({
    pull: (controller) => {
      const { done, value } = rest.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

async function gather(pieces: Iterable<string>, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>[]> {
  const encoder = new TextEncoder();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let text = "";
  let turnedAt = performance.now();
  for (const piece of pieces) {
    text += piece;
    if (text.length < CHUNK_CHARACTERS) continue;
    chunks.push(encoder.encode(text));
    text = "";
    if (performance.now() - turnedAt < TURN_MS) continue;
    await new Promise(setImmediate);
    signal.throwIfAborted();
    turnedAt = performance.now();
  }
  chunks.push(encoder.encode(text));
  return chunks;
}
