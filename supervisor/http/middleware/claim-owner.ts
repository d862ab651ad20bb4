import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "../app-context.ts";
import type { Owners } from "../callers/owners.ts";
import { peerOf } from "../callers/peer.ts";
import { inferenceKey } from "./authenticate.ts";
import { whenOver } from "./when-over.ts";

/**
 * Says whose a request is, until its answer, or its stream, is over. Behind `authenticate`.
 * @param keys those in force now; none: what is sent in their place is only a name
 */
export function claimOwner(owners: Owners, keys: () => readonly string[]): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const { address, connection } = peerOf(c);
    const key = inferenceKey(c);
    const isChecked = keys().length > 0;
    const owned = owners.arrive({
      key: isChecked ? (key ?? null) : null,
      address,
      claims: [c.req.header("user-agent"), key],
      connection,
    });
    c.set("owned", owned);
    await whenOver(c, next, owned.leave);
  };
}
