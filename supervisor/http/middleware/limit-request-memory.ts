import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "../app-context.ts";
import type { RequestMemory } from "../body/request-memory.ts";
import { whenOver } from "./when-over.ts";

/** Behind `claimOwner`: a request has its share of the memory for requests until its answer, or its stream, is over. */
export function limitRequestMemory(memory: RequestMemory): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const share = memory.open(c.get("owned")?.owner ?? "");
    c.set("share", share);
    await whenOver(c, next, share.release);
  };
}
