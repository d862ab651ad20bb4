import type { Logger } from "pino";
import type { LmxError } from "../../shared/errors.ts";

/** Logs a bug of ours with its stack; the client is told nothing but the request id. Other errors are answers, not news. */
export function logUnexpected(log: Logger, requestId: string, error: LmxError): void {
  if (error.code === "internal_error")
    log.error({ id: requestId, err: error.cause ?? error }, "unexpected error in a request");
}
