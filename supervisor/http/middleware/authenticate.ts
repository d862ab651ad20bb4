import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { LmxError } from "../../../shared/errors.ts";
import type { AppEnv, HttpConfig } from "../app-context.ts";
import { errorSurface } from "../error-reply.ts";
import { isHealthPath } from "../health-paths.ts";

/**
 * Requires a key wherever one is configured; only health is open. Inference takes `Authorization: Bearer` or
 * `X-API-Key`. Admin takes `X-Admin-Key`: an admin key, or, where only API keys are configured, one of those, so
 * that setting a key never leaves `/admin` open. `/metrics` takes a key of either kind in any of these headers: a
 * scraper is neither operator nor client, and Prometheus sends `Authorization: Bearer`.
 */
export function authenticate(config: Pick<HttpConfig, "api_keys" | "admin_keys">): MiddlewareHandler<AppEnv> {
  const inferenceKeys = config.api_keys.map(digest);
  const adminKeys = config.admin_keys.length > 0 ? config.admin_keys.map(digest) : inferenceKeys;
  return async (c, next) => {
    if (!isHealthPath(c.req.path)) {
      if (c.req.path === "/metrics")
        requireKey(
          [...inferenceKeys, ...adminKeys],
          inferenceKey(c) ?? c.req.header("x-admin-key"),
          "Authorization: Bearer",
        );
      else if (errorSurface(c.req.path) === "admin")
        requireKey(adminKeys, c.req.header("x-admin-key"), "X-Admin-Key");
      else requireKey(inferenceKeys, inferenceKey(c), "Authorization: Bearer or X-API-Key");
    }
    await next();
  };
}

function requireKey(known: readonly Buffer[], given: string | undefined, where: string): void {
  if (known.length === 0) return;
  if (given === undefined) throw new LmxError("invalid_api_key", `Expected a key in ${where}, got none.`);
  const offered = digest(given);
  // Every key is compared, so that the time taken does not tell which one came close.
  const matches = known.filter((key) => timingSafeEqual(key, offered));
  if (matches.length === 0)
    throw new LmxError("invalid_api_key", `The key in ${where} is not one of this server's keys.`);
}

/** What was sent as the key for inference, right or wrong. */
export function inferenceKey(c: Context<AppEnv>): string | undefined {
  const bearer = /^bearer +(.+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  return bearer ?? c.req.header("x-api-key");
}

/** Equal lengths for timingSafeEqual, whatever was sent. */
function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
