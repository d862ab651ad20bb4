import { type ModelDetail, modelListSchema } from "../../shared/admin.ts";
import { CONNECTION_HELP, CONNECTION_OPTIONS, connect } from "./admin-client.ts";
import type { Command } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { formatBytes, formatDuration, formatTable, printable } from "./printable.ts";

export const psCommand: Command = {
  name: "ps",
  arguments: [],
  summary: "show which models are loaded, and why others are not",
  options: { ...CONNECTION_OPTIONS, all: { type: "boolean" } },
  help: `Shows every model that has a process, is on its way, or has a reason not to be.

Options:
  --all             also the models on disk that nobody loaded
${CONNECTION_HELP}

States: admitted, loading, canary_pending (answering a test prompt), routable (serving), quarantined, unloaded.

Examples:
  lmx ps
  lmx ps --all
  lmx ps --json | jq -r '.data[] | select(.worker) | .worker.pid'`,
  run: async (input) => {
    const { io, values } = input;
    const answer = await connect(input).get("/admin/models", modelListSchema);
    const now = io.now?.() ?? Date.now();
    const text =
      values.json === true ? JSON.stringify(answer, null, 2) : render(answer.data, values.all === true, now);
    io.stdout.write(`${text}\n`);
    return EXIT_CODES.ok.code;
  },
};

function render(models: readonly ModelDetail[], all: boolean, now: number): string {
  const shown = models.filter((model) => all || isOfInterest(model));
  const hidden = models.length - shown.length;
  if (shown.length === 0) return nothingLoaded(models);
  const header = ["MODEL", "STATE", "PID", "MEMORY", "IN-FLIGHT", "SINCE"];
  const [head, ...lines] = formatTable([header, ...shown.map((model) => row(model, now))]);
  const body = shown.flatMap((model, index) => [lines[index] ?? "", ...reasonLines(model, now)]);
  const more = hidden === 0 ? [] : ["", `${hidden} more on disk, not loaded: lmx ps --all`];
  return [head, ...body, ...more].join("\n");
}

function isOfInterest({ readiness, worker }: ModelDetail): boolean {
  return worker !== null || readiness.state !== "unloaded" || readiness.reason !== null;
}

function nothingLoaded(models: readonly ModelDetail[]): string {
  const [first] = models;
  if (first === undefined) return "No model is loaded, and none was found on disk.";
  const id = printable(first.id);
  const count = models.length === 1 ? "1 is" : `${models.length} are`;
  return `No model is loaded; ${count} on disk (lmx ps --all). Load one with: lmx load ${id}`;
}

function row({ id, readiness, worker }: ModelDetail, now: number): string[] {
  const { state, detail, since } = readiness;
  return [
    printable(id),
    detail === null ? state : `${state} (${detail})`,
    worker === null ? "-" : String(worker.pid),
    formatBytes(worker?.memory_bytes ?? null),
    worker === null ? "-" : String(worker.in_flight),
    formatDuration(now - Date.parse(since)),
  ];
}

function reasonLines({ readiness }: ModelDetail, now: number): string[] {
  const { reason, next_attempt_at, quarantine, failures } = readiness;
  const parts = [
    ...(reason === null ? [] : [`${reason.code}: ${reason.message}`]),
    ...(failures === 0 ? [] : [`${failures} failure${failures === 1 ? "" : "s"} in a row`]),
    ...(next_attempt_at === null
      ? []
      : [`next attempt in ${formatDuration(Date.parse(next_attempt_at) - now)}`]),
    ...(quarantine === null ? [] : [quarantineText(quarantine, now)]),
  ];
  return parts.length === 0 ? [] : [`  ${printable(parts.join("; "))}`];
}

function quarantineText(
  { level, until, dossier_id }: NonNullable<ModelDetail["readiness"]["quarantine"]>,
  now: number,
): string {
  const end =
    until === null
      ? "until somebody changes or releases it"
      : `for ${formatDuration(Date.parse(until) - now)} more`;
  return `quarantined ${end} (level ${level}${dossier_id === null ? "" : `, dossier ${dossier_id}`})`;
}
