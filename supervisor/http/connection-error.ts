import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { RequestError } from "@hono/node-server";
import { LmxError, toLmxError } from "../../shared/errors.ts";
import { type ErrorReply, errorReply } from "./error-reply.ts";
import { newRequestId } from "./middleware/request-id.ts";

/** The answer to a request that never became one: no Host, a target that is no URL. */
export function connectionErrorResponse(thrown: unknown): Response {
  const error =
    thrown instanceof RequestError
      ? new LmxError("invalid_request_error", `Malformed HTTP request: ${thrown.message}.`, { cause: thrown })
      : toLmxError(thrown);
  const { status, headers, body } = errorReply(error, "openai");
  return Response.json(body, { status, headers: { ...headers, "x-request-id": newRequestId() } });
}

/** How long the other side gets to read the answer before the socket is cut. */
const LINGER_MS = 500;

const answered = new WeakSet<Duplex>();

/** Answers bytes that are not HTTP, or too slow, in the envelope; the connection cannot be used again. */
export function answerBadHttp(
  error: NodeJS.ErrnoException,
  socket: Duplex & { _httpMessage?: ServerResponse },
): void {
  if (answered.has(socket)) return;
  // A reply that has begun must not get a second status line into its middle.
  if (error.code === "ECONNRESET" || !socket.writable || socket._httpMessage?.headersSent) {
    socket.destroy();
    return;
  }
  answered.add(socket);
  socket.end(rawResponse(badHttpReply(error)));
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function badHttpReply(error: NodeJS.ErrnoException): ErrorReply & { reason: string } {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return {
        ...errorReply(new LmxError("request_too_large", "The request headers are too large."), "openai"),
        status: 431,
        reason: "Request Header Fields Too Large",
      };
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return {
        ...errorReply(new LmxError("invalid_request_error", "The request did not arrive in time."), "openai"),
        status: 408,
        reason: "Request Timeout",
      };
    default:
      return {
        ...errorReply(new LmxError("invalid_request_error", "Malformed HTTP request."), "openai"),
        reason: "Bad Request",
      };
  }
}

function rawResponse({ status, reason, headers, body }: ErrorReply & { reason: string }): string {
  const text = JSON.stringify(body);
  const lines = {
    ...headers,
    "x-request-id": newRequestId(),
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(text)),
    connection: "close",
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${reason}\r\n${head.join("")}\r\n${text}`;
}
