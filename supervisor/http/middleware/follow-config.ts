import type { MiddlewareHandler } from "hono";
import type { AppEnv, HttpConfig } from "../app-context.ts";

/** Middleware that is made anew whenever another configuration is in force. */
export function followConfig(
  current: () => HttpConfig,
  make: (config: HttpConfig) => MiddlewareHandler<AppEnv>,
): MiddlewareHandler<AppEnv> {
  let config = current();
  let handler = make(config);
  return (c, next) => {
    if (config !== current()) {
      config = current();
      handler = make(config);
    }
    return handler(c, next);
  };
}
