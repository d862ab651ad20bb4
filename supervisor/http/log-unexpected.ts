import type { Logger } from "pino";
import { errorRow, type LmxError } from "../../shared/errors.ts";
import type { RefusalLog } from "./refusal-log.ts";

/** Where a request failed. */
interface Place {
  readonly requestId: string;
  /** Undefined: it failed before its model was known. */
  readonly model: string | undefined;
}

/**
 * Logs a bug of ours with its stack; the client is told nothing but the request id. One of a worker is logged by what the
 * worker said of it: its stack here would show how the message came. A worker that fails at every request is told once in
 * full and then counted each second. Other errors are answers, not news.
 */
export function logUnexpected(
  { log, refusals }: { readonly log: Logger; readonly refusals: RefusalLog },
  { requestId, model }: Place,
  error: LmxError,
): void {
  if (error.code !== "internal_error") return;
  if (error.origin === "supervisor") {
    log.error({ id: requestId, err: error.cause ?? error }, "unexpected error in a request");
    return;
  }
  const { code, message } = error;
  refusals.note({ peer: null, status: errorRow(code).status, code, model }, () =>
    log.warn({ id: requestId, model, code, message }, "the worker failed at a request"),
  );
}
