import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { RequestError } from "@hono/node-server";
import { type ErrorCode, LmxError, toLmxError } from "../../../shared/errors.ts";
import { type ErrorReply, errorReply } from "../error-reply.ts";
import { newRequestId } from "../middleware/request-id.ts";
import { MOST_WAITING } from "./request-turns.ts";

/** What was answered to something that never became a request. */
export interface BadHttp {
  readonly status: number;
  readonly code: ErrorCode;
  /** Network address of the client; null: not known. */
  readonly peer: string | null;
}

/** The answer to a request that never became one: no Host, a target that is no URL. */
export function connectionErrorResponse(thrown: unknown, onBadHttp: (refused: BadHttp) => void): Response {
  const error =
    thrown instanceof RequestError
      ? new LmxError("invalid_request_error", `Malformed HTTP request: ${thrown.message}.`, { cause: thrown })
      : toLmxError(thrown);
  const { status, headers, body } = errorReply(error, "openai");
  onBadHttp({ status, code: error.code, peer: null });
  return Response.json(body, { status, headers: { ...headers, "x-request-id": newRequestId() } });
}

/** How long the other side gets to read the answer before the socket is cut. */
const LINGER_MS = 500;

const answered = new WeakSet<Duplex>();

/** Why a connection with more requests than may wait on it is closed. */
export function tooManyWaiting(): LmxError {
  const problem = `More than ${MOST_WAITING} requests were sent on this connection before the first was answered`;
  return new LmxError("rate_limit_exceeded", `${problem}; wait for answers, or use more connections.`);
}

/** Answers bytes that are not HTTP, too slow, or too much at once, in the envelope; the connection cannot be used again. */
export function answerBadHttp(
  error: NodeJS.ErrnoException | LmxError,
  socket: Duplex & { _httpMessage?: ServerResponse; readonly remoteAddress?: string | undefined },
  onBadHttp: (refused: BadHttp) => void,
): void {
  if (answered.has(socket)) return;
  // A reply that has begun must not get a second status line into its middle.
  if (error.code === "ECONNRESET" || !socket.writable || socket._httpMessage?.headersSent) {
    socket.destroy();
    return;
  }
  answered.add(socket);
  const { problem, reason, ...own } = whatIsWrong(error);
  const reply = { ...errorReply(problem, "openai"), ...own };
  onBadHttp({ status: reply.status, code: problem.code, peer: socket.remoteAddress ?? null });
  // What is sent in thousands must not be read on, not even to let its sender read this.
  if (error instanceof LmxError) {
    socket.pause();
    socket.end(rawResponse(reply, reason), () => socket.destroy());
    return;
  }
  socket.end(rawResponse(reply, reason));
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

interface BadHttpAnswer {
  readonly problem: LmxError;
  /** Another one than the error's own. */
  readonly status?: number;
  /** The words beside the status. */
  readonly reason: string;
}

function whatIsWrong(error: NodeJS.ErrnoException | LmxError): BadHttpAnswer {
  if (error instanceof LmxError) return { problem: error, reason: "Too Many Requests" };
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return {
        problem: new LmxError("request_too_large", "The request headers are too large."),
        status: 431,
        reason: "Request Header Fields Too Large",
      };
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return {
        problem: new LmxError("request_timeout", "The request did not arrive in time."),
        reason: "Request Timeout",
      };
    default:
      return {
        problem: new LmxError("invalid_request_error", "Malformed HTTP request."),
        reason: "Bad Request",
      };
  }
}

function rawResponse({ status, headers, body }: ErrorReply, reason: string): string {
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
