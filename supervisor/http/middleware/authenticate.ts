import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { LmxError } from "../../../shared/errors.ts";
import type { AppEnv, HttpConfig } from "../app-context.ts";
import { isOperator } from "../callers/is-operator.ts";
import { refuseForwarded } from "../callers/refuse-forwarded.ts";
import { errorSurface } from "../error-reply.ts";
import { isHealthPath } from "../health-paths.ts";

/** The key a request has to bring. */
interface Lock {
  /** SHA-256 of each key that opens it; none: it stands open. */
  readonly keys: readonly Buffer[];
  readonly given: string | undefined;
  /** Where the key belongs. */
  readonly header: string;
}

/**
 * Requires a key wherever one is configured; only health is open. Inference takes `Authorization: Bearer` or
 * `X-API-Key`. Admin takes `X-Admin-Key`: an admin key, or, where only API keys are configured, one of those, so
 * that setting a key never leaves `/admin` open. `/metrics` takes a key of either kind in any of these headers: a
 * scraper is neither operator nor client, and Prometheus sends `Authorization: Bearer`. Through the admin socket
 * everything is open. What needs no key is refused to a proxy that was not announced.
 */
export function authenticate(
  config: Pick<HttpConfig, "api_keys" | "admin_keys" | "trusted_proxy">,
): MiddlewareHandler<AppEnv> {
  const lockOf = lockChooser(config);
  return async (c, next) => {
    if (!isHealthPath(c.req.path) && !isOperator(c)) {
      const lock = lockOf(c);
      if (lock.keys.length > 0) requireKey(lock);
      else if (!config.trusted_proxy) refuseForwarded(c.req.raw.headers);
    }
    await next();
  };
}

function lockChooser(config: Pick<HttpConfig, "api_keys" | "admin_keys">): (c: Context<AppEnv>) => Lock {
  const inferenceKeys = config.api_keys.map(digest);
  const adminKeys = config.admin_keys.length > 0 ? config.admin_keys.map(digest) : inferenceKeys;
  return (c) => {
    const adminKey = c.req.header("x-admin-key");
    if (c.req.path === "/metrics") {
      const given = inferenceKey(c) ?? adminKey;
      return { keys: [...inferenceKeys, ...adminKeys], given, header: "Authorization: Bearer" };
    }
    return errorSurface(c.req.path) === "admin"
      ? { keys: adminKeys, given: adminKey, header: "X-Admin-Key" }
      : { keys: inferenceKeys, given: inferenceKey(c), header: "Authorization: Bearer or X-API-Key" };
  };
}

function requireKey({ keys, given, header }: Lock): void {
  if (given === undefined) throw new LmxError("invalid_api_key", `Expected a key in ${header}, got none.`);
  const offered = digest(given);
  // Every key is compared, so that the time taken does not tell which one came close.
  const matches = keys.filter((key) => timingSafeEqual(key, offered));
  if (matches.length === 0)
    throw new LmxError("invalid_api_key", `The key in ${header} is not one of this server's keys.`);
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
