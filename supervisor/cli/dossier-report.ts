import type { Dossier, DossierNext } from "../../shared/dossier.ts";
import { formatBytes, formatDuration, printable, printableLines } from "./printable.ts";
import type { Styles } from "./styles.ts";

/** Lines of the last words that are shown. */
const SHOWN_LINES = 40;
/** Columns of the memory curve. */
const CURVE_COLUMNS = 48;
const CURVE = "▁▂▃▄▅▆▇█";

const RECOVERY = {
  respawn_now: "start it again at once",
  wait: "wait before the next try",
  do_not_retry: "do not try again before something has changed",
} as const;

const PHASES = {
  starting: "while it started",
  loading: "while it loaded the model",
  canary: "during the canary",
  serving: "while it served",
} as const;

/** A dossier as a short report. */
export function dossierReport(dossier: Dossier, styles: Styles): string {
  const { id, model, at, phase, started_at, stack_dump, stderr_tail } = dossier;
  const lived = formatDuration(Date.parse(at) - Date.parse(started_at));
  const when = at.slice(0, 19).replace("T", " ");
  const head = `The worker of ${printable(model)} died at ${when} UTC ${PHASES[phase]}, after ${lived}.`;
  const stacks = stack_dump === null ? [] : ["", styles.bold("Stacks"), indented(stack_dump)];
  return [
    styles.bold(`Dossier ${printable(id)}`),
    "",
    head,
    "",
    ...facts(dossier).map(([name, text]) => `  ${styles.dim(name.padEnd(14))}${text}`),
    ...stacks,
    "",
    ...lastWords(stderr_tail, styles),
  ].join("\n");
}

/** `SIGSEGV`, `exit code 1`, and whether it was us. */
export function howItEnded({
  signal,
  exit_code,
  ended_by,
}: Pick<Dossier, "signal" | "exit_code" | "ended_by">): string {
  const how = signal ?? (exit_code === null ? "never started" : `exit code ${exit_code}`);
  return ended_by === null ? how : `${how}, by us`;
}

export function whatCameNext(next: DossierNext): string {
  switch (next.action) {
    case "restarted":
      return next.after_ms === 0 ? "restarted" : `restarted after ${(next.after_ms / 1_000).toFixed(1)} s`;
    case "quarantined":
      return next.until === null ? "quarantined" : `quarantined until ${next.until}`;
    case "unloaded":
      return "unloaded";
    default:
      return next satisfies never;
  }
}

function facts(dossier: Dossier): [string, string][] {
  const { cause, message, advice, recovery, counted, next, versions, crash_report } = dossier;
  const rows: [string, string | null][] = [
    ["Cause", `${cause} (${dossier.class}${counted ? "" : ", not counted"})`],
    ["What", message],
    ["Advice", advice],
    ["Recovery", recovery === null ? null : RECOVERY[recovery]],
    ["Ended by", `${howItEnded(dossier)}${dossier.ended_by === null ? "" : ` (${dossier.ended_by})`}`],
    ["Then", whatCameNext(next)],
    ["In flight", requests(dossier.in_flight)],
    ["Memory", memory(dossier)],
    ["", curve(dossier.memory_timeline.map(({ bytes }) => bytes))],
    ["Process", dossier.pid === null ? null : `pid ${dossier.pid}, started ${dossier.started_at}`],
    ["Versions", versionsText(versions)],
    ["System report", crash_report],
  ];
  return rows.flatMap(([name, text]): [string, string][] => (text === null ? [] : [[name, printable(text)]]));
}

function requests(ids: readonly string[]): string {
  if (ids.length === 0) return "nothing";
  return `${ids.length} request${ids.length === 1 ? "" : "s"}: ${ids.slice(0, 8).join(", ")}${ids.length > 8 ? ", …" : ""}`;
}

function memory({ memory_timeline: samples, memory_cap_bytes: cap }: Dossier): string {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined) return "not known";
  const most = Math.max(...samples.map(({ bytes }) => bytes));
  const over = formatDuration(Date.parse(last.at) - Date.parse(first.at));
  const limit = cap === null ? "no cap" : `cap ${formatBytes(cap)}`;
  return `${formatBytes(last.bytes)} at the end, at most ${formatBytes(most)} in the last ${over}, ${limit}`;
}

/** The samples as a curve from nothing to the most there was; null: too few to draw. */
function curve(bytes: readonly number[]): string | null {
  if (bytes.length < 2) return null;
  const most = Math.max(...bytes);
  const columns = Math.min(CURVE_COLUMNS, bytes.length);
  const heights = Array.from({ length: columns }, (_, column) => {
    const from = Math.floor((column * bytes.length) / columns);
    const until = Math.floor(((column + 1) * bytes.length) / columns);
    const share = most === 0 ? 0 : Math.max(...bytes.slice(from, until)) / most;
    return CURVE[Math.min(CURVE.length - 1, Math.floor(share * CURVE.length))];
  });
  return heights.join("");
}

function versionsText(versions: Dossier["versions"]): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
}

function lastWords(stderr: string, styles: Styles): string[] {
  const lines = stderr.trimEnd().split("\n");
  if (lines.join("") === "") return [styles.bold("Last words"), "  It said nothing."];
  const shown = lines.slice(-SHOWN_LINES);
  const hidden = lines.length - shown.length;
  const title = hidden === 0 ? "Last words" : `Last words (${hidden} earlier lines: --json)`;
  return [styles.bold(title), indented(shown.join("\n"))];
}

function indented(text: string): string {
  return printableLines(text)
    .split("\n")
    .map((line) => (line === "" ? "" : `  ${line}`))
    .join("\n");
}
