import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { AppEnv } from "../app-context.ts";
import { errorSurface } from "../error-reply.ts";

/** CORS for inference routes and configured origins only; `*` allows every origin. Admin never gets it. */
export function allowedOrigins(origins: readonly string[]): MiddlewareHandler<AppEnv> {
  const share = cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "POST"],
    exposeHeaders: ["x-request-id", "x-should-retry", "retry-after"],
    maxAge: 600,
  });
  return async (c, next) => {
    const origin = c.req.header("origin");
    const shared = origin !== undefined && (origins.includes("*") || origins.includes(origin));
    return shared && errorSurface(c.req.path) !== "admin" ? share(c, next) : next();
  };
}
