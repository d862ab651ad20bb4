import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Context } from "hono";
import type { AppEnv } from "../app-context.ts";

/** Who is at the other end of a request's connection. */
export interface Peer {
  /** Network address; null: the request did not come over the network. */
  readonly address: string | null;
  /** Null: the request did not come over a connection at all. */
  readonly connection: Socket | null;
}

/** The other end, as the listener saw it. */
export function peerOf(c: Context<AppEnv>): Peer {
  // Requests that were not received over a connection have no bindings.
  const bindings = c.env as { readonly incoming?: IncomingMessage } | undefined;
  const connection = bindings?.incoming?.socket ?? null;
  return { address: connection?.remoteAddress ?? null, connection };
}
