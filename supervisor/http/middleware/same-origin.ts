import type { MiddlewareHandler } from "hono";
import { LmxError } from "../../../shared/errors.ts";
import type { AppEnv } from "../app-context.ts";

/** What a browser says of a request that another page did not make: our own did, or the user typed the address. */
const OWN_SITES = new Set(["same-origin", "none"]);

/**
 * Refuses a request that a page of another origin makes: no browser page but our own steers this server, or has it work.
 * An image or a link of such a page sends no Origin; browsers tell of it in Sec-Fetch-Site.
 */
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
    const site = c.req.header("sec-fetch-site");
    if (site !== undefined && !OWN_SITES.has(site)) {
      throw new LmxError(
        "forbidden_origin",
        `Expected a request from this server's own pages or from no page, got Sec-Fetch-Site: ${site.slice(0, 100)}.`,
      );
    }
    await next();
  };
}
