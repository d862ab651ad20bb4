import { DISK_PATIENCE_MS, withTimeout } from "../host/with-timeout.ts";
import type { AuditLog, AuditRow } from "../store/audit-log.ts";

/** Adds a row of now to the audit trail; a disk that has stalled is not waited for without end. */
export async function noteInAudit(
  audit: Pick<AuditLog, "append">,
  row: Omit<AuditRow, "ts" | "details"> & { readonly details?: AuditRow["details"] },
): Promise<void> {
  await withTimeout(DISK_PATIENCE_MS, audit.append({ ts: new Date().toISOString(), details: {}, ...row }));
}
