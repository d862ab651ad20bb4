import type { Logger } from "pino";
import type { LmxError } from "../../shared/errors.ts";

/**
 * Logs a bug of ours with its stack; the client is told nothing but the request id. One of a worker is logged by what the
 * worker said of it: its stack here would show how the message came. Other errors are answers, not news.
 */
export function logUnexpected(log: Logger, requestId: string, error: LmxError): void {
  if (error.code !== "internal_error") return;
  if (error.origin === "worker")
    log.warn({ id: requestId, message: error.message }, "the worker failed at a request");
  else log.error({ id: requestId, err: error.cause ?? error }, "unexpected error in a request");
}
