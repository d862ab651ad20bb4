import type { MiddlewareHandler } from "hono";
import type { Logger } from "pino";
import { redact } from "../../policy/redact.ts";
import type { AppEnv, StreamEnd } from "../app-context.ts";
import { isHealthPath } from "../health-paths.ts";

/** Of what a client names, a path or a model that may not exist. Characters. */
const LONGEST = 300;

/**
 * One line per request, for a stream when it is over. Never a body, a query or a key.
 * @param keys those of this service: one sent in a wrong place may be taken for a model's name or a path
 */
export function accessLog(log: Logger, keys: () => readonly string[]): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    await next();
    const isRefused = c.res.status >= 400;
    const clean = (text: string) => redact(text.slice(0, LONGEST), { homes: [], secrets: keys() });
    const model = c.get("model");
    const facts = {
      id: clean(c.get("requestId")),
      method: c.req.method,
      path: isRefused ? clean(c.req.path) : c.req.path,
      status: c.res.status,
      // The name of a model that is there is no secret.
      model: model !== undefined && isRefused ? clean(model) : model,
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
