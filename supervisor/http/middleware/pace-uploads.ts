import type { MiddlewareHandler } from "hono";
import type { AppEnv, HttpConfig } from "../app-context.ts";

/** Says how fast a request's body has to come. */
export function paceUploads({ clients }: Pick<HttpConfig, "clients">): MiddlewareHandler<AppEnv> {
  const { upload_bytes_per_second: bytesPerSecond, upload_grace_seconds: seconds } = clients;
  const pace = { bytesPerSecond, windowMs: seconds * 1000 };
  return async (c, next) => {
    c.set("pace", pace);
    await next();
  };
}
