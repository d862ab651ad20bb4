import type { ModelDetail } from "../../shared/admin.ts";
import { formatBytes, formatDuration, formatTable, printable } from "./printable.ts";
import { readinessPhrases, stateText } from "./readiness-text.ts";
import type { Styles } from "./styles.ts";

export interface PsTableOptions {
  /** Also the models nobody loaded. */
  readonly all: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly styles: Styles;
}

const STATE_COLUMN = 1;

/** The lines of `lmx ps`: a table of models, the reasons below theirs. */
export function psTable(models: readonly ModelDetail[], { all, now, styles }: PsTableOptions): string[] {
  const shown = models.filter((model) => all || isOfInterest(model));
  const hidden = models.length - shown.length;
  if (shown.length === 0) return [nothingLoaded(models)];
  const header = ["MODEL", "STATE", "PID", "MEMORY", "IN-FLIGHT", "SINCE"];
  const [head = "", ...lines] = formatTable(
    [header, ...shown.map((model) => row(model, now))],
    (cell, index, column) => {
      if (index === 0) return styles.bold(cell);
      return column === STATE_COLUMN ? stateStyle(shown[index - 1], styles)(cell) : cell;
    },
  );
  const body = shown.flatMap((model, index) => [lines[index] ?? "", ...reasonLines(model, now)]);
  const more = hidden === 0 ? [] : ["", `${hidden} more on disk, not loaded: lmx ps --all`];
  return [head, ...body, ...more];
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
  return [
    printable(id),
    stateText(readiness),
    worker === null ? "-" : String(worker.pid),
    formatBytes(worker?.memory_bytes ?? null),
    worker === null ? "-" : String(worker.in_flight),
    formatDuration(now - Date.parse(readiness.since)),
  ];
}

function reasonLines({ readiness }: ModelDetail, now: number): string[] {
  const phrases = readinessPhrases(readiness, now);
  return phrases.length === 0 ? [] : [`  ${printable(phrases.join("; "))}`];
}

/** The colour of a model's state: green serves, red will not by itself, yellow is on its way. */
function stateStyle(model: ModelDetail | undefined, styles: Styles): (text: string) => string {
  switch (model?.readiness.state) {
    case "routable":
      return model.readiness.detail === null ? styles.green : styles.yellow;
    case "quarantined":
      return styles.red;
    case "unloaded":
    case undefined:
      return styles.dim;
    default:
      return styles.yellow;
  }
}
