import { createHash } from "node:crypto";
import { getConnInfo } from "@hono/node-server/conninfo";
import type { Context } from "hono";
import type { Actor } from "../cluster/cluster.ts";
import type { AppEnv } from "./app-context.ts";

/** Enough of a key's hash to tell two keys apart, too little to guess one from. Hexadecimal digits. */
const KEY_DIGITS = 8;

/** Who sent this admin request, as far as the connection and the key tell. */
export function actorOf(c: Context<AppEnv>): Actor {
  const key = c.req.header("x-admin-key");
  return {
    key: key === undefined ? null : createHash("sha256").update(key).digest("hex").slice(0, KEY_DIGITS),
    address: addressOf(c),
    via: "http",
  };
}

function addressOf(c: Context<AppEnv>): string | null {
  // Requests that were not received over a socket have no such thing.
  if (c.env === undefined || !("incoming" in (c.env as object))) return null;
  return getConnInfo(c).remote.address ?? null;
}
