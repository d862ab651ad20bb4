import { LmxError } from "../../shared/errors.ts";
import type { RequestShare } from "./request-memory.ts";

/** Largest request body, bytes. */
export const MAX_BODY_BYTES = 64 * 1024 * 1024;

/**
 * Reads a request body, giving up the moment it is over the cap: from its declared length before a byte is read, else
 * while it arrives. The rest is left unread; the listener discards it after the answer.
 * @param share is told of every byte that has come
 * @throws LmxError request_too_large, rate_limit_exceeded
 */
export async function readBody(request: Request, share?: RequestShare): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks, length);
    length += value.byteLength;
    if (length > MAX_BODY_BYTES) throw tooLarge();
    share?.add(value.byteLength);
    chunks.push(value);
  }
}

function tooLarge(): LmxError {
  return new LmxError(
    "request_too_large",
    `The body is larger than ${MAX_BODY_BYTES} bytes; send a shorter conversation.`,
  );
}
