import type { Sweep } from "../compat/compat-sweep.ts";
import type { SweepControl } from "../http/routes/admin-compat-sweep.ts";
import type { AuditLog } from "../store/audit-log.ts";
import { noteInAudit } from "../telemetry/note-in-audit.ts";

/** The sweep for operators: what they begin and end of it stands in the audit trail. */
export function auditedSweep(sweep: Sweep, audit: Pick<AuditLog, "append">): SweepControl {
  return {
    status: () => sweep.status(),
    start: async (request, context) => {
      const accepted = await sweep.start(request);
      const details = { sweep: accepted.id, total: accepted.total };
      await noteInAudit(audit, { action: "compat_sweep", model: null, details, ...context });
      return accepted;
    },
    cancel: async (context) => {
      const { state, id } = sweep.status();
      if (state === "running") {
        const details = { sweep: id };
        await noteInAudit(audit, { action: "compat_sweep_cancel", model: null, details, ...context });
      }
      return await sweep.cancel();
    },
  };
}
