import type { MiddlewareHandler } from "hono";
import { LmxError } from "../../../shared/errors.ts";
import type { AppEnv } from "../app-context.ts";
import type { Service } from "../service.ts";

/** About how long a restart takes. */
const RETRY_AFTER_SECONDS = 5;

/** Refuses new inference once a stop was asked for; what already runs is not touched. */
export function refuseWhileDraining(service: Service): MiddlewareHandler<AppEnv> {
  return async (_c, next) => {
    if (service.draining()) {
      throw new LmxError(
        "server_is_overloaded",
        "The server is stopping and takes no new requests; retry in a few seconds.",
        {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        },
      );
    }
    await next();
  };
}
