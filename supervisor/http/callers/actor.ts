import { createHash } from "node:crypto";
import type { Context } from "hono";
import type { Actor } from "../../telemetry/audit-context.ts";
import type { AppEnv } from "../app-context.ts";
import { isOperator } from "./is-operator.ts";
import { peerOf } from "./peer.ts";

/** Enough of a key's hash to tell two keys apart, too little to guess one from. Hexadecimal digits. */
const KEY_DIGITS = 8;

/** Who sent this admin request, as far as the connection and the key tell. */
export function actorOf(c: Context<AppEnv>): Actor {
  // The file system has said who this is; a key that was sent all the same was not looked at.
  if (isOperator(c)) return { key: null, address: null, via: "socket" };
  const key = c.req.header("x-admin-key");
  return {
    key: key === undefined ? null : createHash("sha256").update(key).digest("hex").slice(0, KEY_DIGITS),
    address: peerOf(c).address,
    via: "http",
  };
}
