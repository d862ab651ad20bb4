import type { MiddlewareHandler } from "hono";
import { LmxError } from "../../../shared/errors.ts";
import type { AppEnv } from "../app-context.ts";
import { errorSurface } from "../error-reply.ts";
import { isHealthPath } from "../health-paths.ts";

const RETRY_AFTER_SECONDS = 2;

/** Answers probes, operators and scrapers alone on the last places for connections. */
export function refuseLatecomers(): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    // Requests that were not received over a connection have no bindings.
    const bindings: AppEnv["Bindings"] | undefined = c.env;
    if (bindings?.isLate === true && !mayBeLate(c.req.path)) {
      c.header("connection", "close");
      const message = "The server has as many connections as it can hold; try again when some are closed.";
      throw new LmxError("server_is_overloaded", message, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    await next();
  };
}

function mayBeLate(path: string): boolean {
  return isHealthPath(path) || path === "/metrics" || errorSurface(path) === "admin";
}
