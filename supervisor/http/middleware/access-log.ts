import type { MiddlewareHandler } from "hono";
import type { Logger } from "pino";
import type { AppEnv, StreamEnd } from "../app-context.ts";
import { isHealthPath } from "../health-paths.ts";

/** One line per request, for a stream when it is over. Never a body, a query or a key. */
export function accessLog(log: Logger): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    await next();
    const facts = {
      id: c.get("requestId"),
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      model: c.get("model"),
    };
    // Probes come every second and say nothing.
    const level = isHealthPath(c.req.path) ? "debug" : "info";
    const write = (end?: StreamEnd) => {
      const ms = Math.round((performance.now() - startedAt) * 10) / 10;
      log[level]({ ...facts, ms, code: c.get("errorCode"), ...end }, "request");
    };
    const streamEnd = c.get("streamEnd");
    if (streamEnd === undefined) write();
    else void streamEnd.then(write);
  };
}
