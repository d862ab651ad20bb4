import type { MiddlewareHandler } from "hono";
import { type AppEnv, CLIENT_CLOSED_REQUEST, type StreamEnd } from "../app-context.ts";
import type { Metrics } from "../metrics/metrics.ts";

/** Counts what went wrong: errors by code, and clients that did not wait for their answer. */
export function countOutcomes(metrics: Metrics): MiddlewareHandler<AppEnv> {
  const countEnd = ({ outcome, code }: StreamEnd) => {
    if (code !== undefined) metrics.failed(code);
    if (outcome === "client_left") metrics.clientLeft();
  };
  return async (c, next) => {
    await next();
    const code = c.get("errorCode");
    if (code !== undefined) metrics.failed(code);
    if (c.res.status === CLIENT_CLOSED_REQUEST) metrics.clientLeft();
    void c.get("streamEnd")?.then(countEnd);
  };
}
