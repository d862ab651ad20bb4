import type { Context } from "hono";
import type { AuditContext } from "../../telemetry/audit-context.ts";
import type { AppEnv } from "../app-context.ts";
import { actorOf } from "./actor.ts";

/** Who asked for this and why, for the audit trail. A blank reason is none. */
export function auditContext(c: Context<AppEnv>, reason: string | null | undefined): AuditContext {
  return { actor: actorOf(c), reason: reason?.trim() || null };
}
