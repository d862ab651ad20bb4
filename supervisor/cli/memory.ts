import { type MemoryReport, memoryReportSchema } from "../../shared/admin-memory.ts";
import { connect } from "./admin-client.ts";
import type { Command } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS } from "./find-supervisor.ts";
import { formatBytes, formatDuration, formatTable, printable } from "./printable.ts";
import { type Styles, stylesFor } from "./styles.ts";

const LIMIT_SOURCES: Readonly<Record<NonNullable<MemoryReport["limit_source"]>, string>> = {
  configuration: "memory.limit_bytes of the configuration",
  machine_limit: "the machine's own",
  machine_total: "all the machine has",
};

export const memoryCommand: Command = {
  name: "memory",
  arguments: [],
  summary: "show which models hold how much memory, and what is free",
  options: CONNECTION_OPTIONS,
  help: `Shows what the supervisor counts on before it loads a model: what was granted to each, what its process takes now, and
what may still be granted. Idle models can be unloaded with "lmx unload <model>"; with memory.evict: idle in the
configuration that happens by itself.

Options:
${CONNECTION_HELP}

Examples:
  lmx memory
  lmx memory --json | jq .free_bytes`,
  run: async (input) => {
    const { io, values } = input;
    const report = await connect(input).get("/admin/memory", memoryReportSchema);
    const text =
      values.json === true
        ? JSON.stringify(report, null, 2)
        : reportText(report, io.now?.() ?? Date.now(), stylesFor(io.stdout, io.env));
    io.stdout.write(`${text}\n`);
    return EXIT_CODES.ok.code;
  },
};

function reportText(report: MemoryReport, now: number, styles: Styles): string {
  return [...summaryLines(report), "", ...holderLines(report.holders, now, styles)].join("\n");
}

function summaryLines(report: MemoryReport): string[] {
  const { machine, limit_source: limitSource } = report;
  const total = `of ${formatBytes(machine.total_bytes)}; ${printable(machine.source)}`;
  return formatTable([
    ["Free", formatBytes(report.free_bytes), printable(report.free_reason)],
    ["Held", formatBytes(report.held_bytes), "by models"],
    ["Limit", formatBytes(report.limit_bytes), limitSource === null ? "" : LIMIT_SOURCES[limitSource]],
    ["Reserve", formatBytes(report.reserve_bytes), "for the rest of the machine"],
    ["Available", formatBytes(machine.available_bytes), total],
  ]);
}

function holderLines(holders: MemoryReport["holders"], now: number, styles: Styles): string[] {
  if (holders.length === 0) return ["No model holds memory."];
  const header = ["MODEL", "STATE", "GRANTED", "MEASURED", "USE", "LAST USED"];
  const rows = holders.map((holder) => [
    printable(holder.model_id),
    holder.state,
    formatBytes(holder.granted_bytes),
    formatBytes(holder.measured_bytes),
    [holder.busy ? "busy" : "idle", ...(holder.pinned ? ["pinned"] : [])].join(", "),
    holder.last_used_at === null ? "-" : `${formatDuration(now - Date.parse(holder.last_used_at))} ago`,
  ]);
  return formatTable([header, ...rows], (cell, row) => (row === 0 ? styles.bold(cell) : cell));
}
