import type { RequestShare } from "../request-memory.ts";
import { type BodyLimits, BodyMeter, checkDeclaredLength } from "./body-limits.ts";

/** A body's bytes, and how many JSON values they hold. */
export interface ReadBody {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly values: number;
}

/**
 * Reads a request body, giving up the moment it is over a limit: from its declared length before a byte is read, else
 * while it arrives. The rest is left unread; the listener discards it after the answer.
 * @param share is told of every byte that has come
 * @throws LmxError request_too_large, rate_limit_exceeded, invalid_request_error
 */
export async function readBody(
  request: Request,
  limits: BodyLimits,
  share?: RequestShare,
): Promise<ReadBody> {
  checkDeclaredLength(Number(request.headers.get("content-length") ?? 0), limits);
  if (request.body === null) return { bytes: new Uint8Array(), values: 0 };
  const meter = new BodyMeter(limits);
  const chunks: Uint8Array[] = [];
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { bytes: joined(chunks), values: meter.values };
    meter.feed(value);
    share?.add(value.byteLength);
    chunks.push(value);
  }
}

/** In memory of its own: pooled chunks could not be handed to another thread. */
function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
