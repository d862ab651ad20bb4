import { randomUUID } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { redact } from "../../policy/redact.ts";
import type { AppEnv } from "../app-context.ts";

/** What a client may choose: short and printable, so that it is safe in headers and logs. */
const ACCEPTABLE = /^[\w.:-]{1,128}$/;

/** A fresh request id. */
export function newRequestId(): string {
  return `req_${randomUUID()}`;
}

/**
 * Puts `x-request-id` on every reply: the client's own when it is sane, else a new one.
 * @param keys those of this service: one sent in this place would be written down with the id
 */
export function requestId(keys: () => readonly string[] = () => []): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const given = c.req.header("x-request-id");
    const isSane =
      given !== undefined &&
      ACCEPTABLE.test(given) &&
      redact(given, { homes: [], secrets: keys() }) === given;
    const id = isSane ? given : newRequestId();
    c.set("requestId", id);
    c.header("x-request-id", id);
    await next();
  };
}
