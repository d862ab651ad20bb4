import type { MiddlewareHandler } from "hono";
import { LmxError } from "../../../shared/errors.ts";
import { isLoopbackHost } from "../../host/loopback.ts";
import type { AppEnv } from "../app-context.ts";
import { isLivenessPath } from "../health-paths.ts";

/**
 * Refuses a Host header that is not loopback, for a server bound to loopback: a page whose name was re-pointed at
 * 127.0.0.1 (DNS rebinding) is same-origin to the browser, and only its Host gives it away. Liveness is answered
 * whatever the Host: it says nothing, and a probe behind a proxy must not restart a healthy service.
 */
export function loopbackHost(boundTo: string): MiddlewareHandler<AppEnv> {
  const bound = isLoopbackHost(boundTo);
  return async (c, next) => {
    const host = c.req.header("host") ?? new URL(c.req.url).host;
    if (bound && !isLoopbackHost(host) && !isLivenessPath(c.req.path)) {
      throw new LmxError(
        "forbidden_origin",
        `Expected a loopback Host header such as localhost, got ${host.slice(0, 100)}.`,
      );
    }
    await next();
  };
}
