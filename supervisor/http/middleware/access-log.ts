import type { MiddlewareHandler } from "hono";
import type { Logger } from "pino";
import { redact } from "../../policy/redact.ts";
import { type AppEnv, CLIENT_CLOSED_REQUEST, type StreamEnd } from "../app-context.ts";
import { peerOf } from "../callers/peer.ts";
import { isHealthPath } from "../health-paths.ts";
import type { RefusalLog } from "../refusal-log.ts";

/** Of what a client names, a path or a model that may not exist. Characters. */
const LONGEST = 300;

export interface AccessLogOptions {
  readonly log: Logger;
  /** Refusals go through it, so that a flood of them leaves few lines. */
  readonly refusals: RefusalLog;
  /** Those of this service: one sent in a wrong place may be taken for a model's name or a path. */
  keys(): readonly string[];
}

/** One line per request, for a stream when it is over. Never a body, a query or a key. */
export function accessLog({ log, refusals, keys }: AccessLogOptions): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    await next();
    const { status } = c.res;
    const isError = status >= 400;
    const clean = (text: string) => redact(text.slice(0, LONGEST), { homes: [], secrets: keys() });
    const model = c.get("model");
    const facts = () => ({
      id: clean(c.get("requestId")),
      method: c.req.method,
      path: isError ? clean(c.req.path) : c.req.path,
      status,
      // The name of a model that is there is no secret.
      model: model !== undefined && isError ? clean(model) : model,
    });
    // Probes come every second and say nothing.
    const isProbe = isHealthPath(c.req.path);
    const level = isProbe ? "debug" : "info";
    const write = (more: { readonly peer?: string | null } | StreamEnd = {}) => {
      const ms = Math.round((performance.now() - startedAt) * 10) / 10;
      log[level]({ ...facts(), ms, code: c.get("errorCode"), ...more }, "request");
    };
    const streamEnd = c.get("streamEnd");
    if (streamEnd !== undefined) void streamEnd.then(write);
    else if (isRefusal(status) && !isProbe) {
      const { address: peer } = peerOf(c);
      refusals.note({ peer, status, code: c.get("errorCode") }, () => write({ peer }));
    } else write();
  };
}

/** Costs a client nothing, so it may have thousands of it. What failed on our side is told each time. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== CLIENT_CLOSED_REQUEST;
}
