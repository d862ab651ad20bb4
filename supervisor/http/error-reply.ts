import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { errorRow, type LmxError } from "../../shared/errors.ts";
import type { ErrorEnvelope } from "../../shared/openai.ts";

/** Which family of routes an error is told on: it decides the status column and the envelope. */
export type ErrorSurface = "openai" | "admin";

/** An error as HTTP, before anything is written. */
export interface ErrorReply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: ErrorEnvelope;
}

/** Sent when a retryable error names no time of its own. */
const DEFAULT_RETRY_AFTER_SECONDS = 1;
/** SDKs ignore or sleep through anything longer. */
const MAX_RETRY_AFTER_SECONDS = 60;

/** The surface of a path. */
export function errorSurface(path: string): ErrorSurface {
  return path === "/admin" || path.startsWith("/admin/") ? "admin" : "openai";
}

/** The one rendering of errors: status, headers and envelope of an LmxError. */
export function errorReply(error: LmxError, surface: ErrorSurface): ErrorReply {
  const row = errorRow(error.code);
  // Operators name a model in another field than clients do.
  const isModel = surface === "admin" && error.code === "model_not_found" && error.param === "model";
  const param = isModel ? "model_id" : error.param;
  const envelope = { message: error.message, type: row.openaiType, param, code: error.code };
  return {
    status: (surface === "admin" ? row.adminStatus : undefined) ?? row.status,
    headers: errorHeaders(error),
    body: { error: surface === "admin" ? { ...envelope, details: error.details } : envelope },
  };
}

/** Answers a request with an error. */
export function respondWithError(
  c: Context,
  error: LmxError,
  extraHeaders: Record<string, string> = {},
): Response {
  const { status, headers, body } = errorReply(error, errorSurface(c.req.path));
  c.set("errorCode", error.code);
  return c.json(body, status as ContentfulStatusCode, { ...headers, ...extraHeaders });
}

function errorHeaders(error: LmxError): Record<string, string> {
  const headers: Record<string, string> = { "x-should-retry": String(error.retryable) };
  if (error.retryable) {
    const seconds = Math.ceil(error.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS);
    headers["retry-after"] = String(Math.min(Math.max(seconds, 1), MAX_RETRY_AFTER_SECONDS));
  }
  // What is left of the request would be taken for the next one.
  if (error.code === "request_timeout") headers.connection = "close";
  if (error.code === "invalid_api_key") headers["www-authenticate"] = "Bearer";
  return headers;
}
