import type { Context, Next } from "hono";
import type { AppEnv } from "../app-context.ts";

/** Calls back once a request is over: its answer is made or, when that is a stream, at its end. */
export async function whenOver(c: Context<AppEnv>, next: Next, callback: () => void): Promise<void> {
  try {
    await next();
  } finally {
    const streamEnd = c.get("streamEnd");
    if (streamEnd === undefined) callback();
    else void streamEnd.then(callback);
  }
}
