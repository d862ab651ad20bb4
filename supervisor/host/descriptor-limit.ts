import { readFileSync } from "node:fs";
import { z } from "zod";

const reportSchema = z.object({
  userLimits: z.object({ open_files: z.object({ soft: z.union([z.number(), z.literal("unlimited")]) }) }),
});

/** How many descriptors this process may have open: Node raised the soft limit to the hard one at its start. Null: not known. */
export function descriptorLimit(): number | null {
  const limit = process.platform === "linux" ? fromProc() : fromReport();
  return limit !== null && limit > 0 ? limit : null;
}

function fromProc(): number | null {
  try {
    const [, soft = ""] = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number.parseInt(soft, 10);
  } catch {
    return null;
  }
}

/** Takes some milliseconds and a megabyte: there is nothing smaller without starting another program. */
function fromReport(): number | null {
  if (process.report === undefined) return null;
  // It would look up the names of everybody who is connected.
  Object.assign(process.report, { excludeNetwork: true });
  const report = reportSchema.safeParse(process.report.getReport());
  if (!report.success) return null;
  const { soft } = report.data.userLimits.open_files;
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : soft;
}
