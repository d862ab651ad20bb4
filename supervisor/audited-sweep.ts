import type { Sweep } from "./cluster/compat-sweep.ts";
import { atMost, DISK_PATIENCE_MS } from "./host/at-most.ts";
import type { SweepControl } from "./http/routes/admin-compat-sweep.ts";
import type { AuditLog } from "./store/audit-log.ts";

/** The sweep for operators: what they begin and end of it stands in the audit trail. */
export function auditedSweep(sweep: Sweep, audit: Pick<AuditLog, "append">): SweepControl {
  return {
    status: () => sweep.status(),
    start: async (request, word) => {
      const accepted = await sweep.start(request);
      const details = { sweep: accepted.id, total: accepted.total };
      const ts = new Date().toISOString();
      const row = { ts, action: "compat_sweep", model: null, details, ...word };
      await atMost(DISK_PATIENCE_MS, audit.append(row));
      return accepted;
    },
    cancel: async (word) => {
      const { state, id } = sweep.status();
      const ts = new Date().toISOString();
      if (state === "running") {
        const row = { ts, action: "compat_sweep_cancel", model: null, details: { sweep: id }, ...word };
        await atMost(DISK_PATIENCE_MS, audit.append(row));
      }
      return await sweep.cancel();
    },
  };
}
