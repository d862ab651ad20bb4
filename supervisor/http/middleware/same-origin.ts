import type { MiddlewareHandler } from "hono";
import { LmxError } from "../../../shared/errors.ts";
import type { AppEnv } from "../app-context.ts";

/** Refuses a request that a page of another origin makes: no browser page but our own steers this server. */
export function sameOrigin(): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const origin = c.req.header("origin");
    const host = c.req.header("host") ?? new URL(c.req.url).host;
    if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host)) {
      throw new LmxError(
        "forbidden_origin",
        `Expected no Origin or this server's own, got ${origin.slice(0, 100)}.`,
      );
    }
    await next();
  };
}
