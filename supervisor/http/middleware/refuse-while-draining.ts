import type { MiddlewareHandler } from "hono";
import { serverStopping } from "../../../shared/errors.ts";
import type { AppEnv } from "../app-context.ts";
import type { Service } from "../service.ts";

/** Refuses new inference once a stop was asked for; what already runs is not touched. */
export function refuseWhileDraining(service: Service): MiddlewareHandler<AppEnv> {
  return async (_c, next) => {
    if (service.draining()) throw serverStopping();
    await next();
  };
}
