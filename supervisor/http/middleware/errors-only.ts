import type { MiddlewareHandler } from "hono";
import { toLmxError } from "../../../shared/errors.ts";
import type { AppEnv } from "../app-context.ts";

/** Turns a thrown string (an abort reason, say) into an error: hono hands only Error objects to its error handler. */
export function errorsOnly(): MiddlewareHandler<AppEnv> {
  return async (_c, next) => {
    try {
      await next();
    } catch (thrown) {
      throw toLmxError(thrown);
    }
  };
}
