import type { Context } from "hono";
import type { AppEnv } from "../app-context.ts";

/** Whether a request came in through the admin socket, which the file system opens to this user alone. */
export function isOperator(c: Context<AppEnv>): boolean {
  // Requests that were not received over a connection have no bindings.
  const bindings: AppEnv["Bindings"] | undefined = c.env;
  return bindings?.door === "admin_socket";
}
