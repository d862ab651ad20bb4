import type { Figure, FigureResult } from "./figure.ts";
import type { MachineFacts } from "./machine-facts.ts";
import { renderTable } from "./render-table.ts";

/** When, where and by which command something was measured. */
export interface RunFacts extends MachineFacts {
  readonly command: string;
}

export interface SavedFigure extends Omit<FigureResult, "figure"> {
  readonly name: string;
  readonly unit: string;
  /** Absent: measured with the others. */
  readonly about?: RunFacts;
}

/** What the published table is made from. */
export interface SavedRun {
  readonly about: RunFacts;
  readonly figures: readonly SavedFigure[];
}

/** A line for the run and one per figure: differences between two runs can be read. */
export function formatRun({ about, figures }: SavedRun): string {
  return [about, ...figures].map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** The inverse of `formatRun`, for a file this tool wrote. @throws when it is empty or not JSON */
export function parseRun(text: string): SavedRun {
  const [about, ...figures] = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  if (about === undefined) throw new Error("Expected a saved run; run without --only first");
  return { about, figures };
}

/** A run with some figures measured again, or for the first time, later: each says when. */
export function mergeRuns(before: SavedRun, { about, figures }: SavedRun): SavedRun {
  const apart = new Map(figures.map((figure) => [figure.name, { ...figure, about }]));
  const kept = before.figures.map((figure) => apart.get(figure.name) ?? figure);
  const known = new Set(kept.map(({ name }) => name));
  return {
    about: before.about,
    figures: [...kept, ...[...apart.values()].filter(({ name }) => !known.has(name))],
  };
}

/** The results section of the page. Figures that are not known any more are left out. */
export function renderRun({ about, figures }: SavedRun, known: readonly Figure[]): string {
  const saved = known.flatMap((figure) => {
    const measured = figures.find(({ name }) => name === figure.name);
    return measured === undefined ? [] : [{ figure, ...measured }];
  });
  const apart = Map.groupBy(
    saved.filter((entry) => entry.about !== undefined),
    (entry) => JSON.stringify(entry.about),
  );
  return [
    describeRun(about),
    ...[...apart.values()].map((group) => {
      const names = group.map(({ name }) => `\`${name}\``).join(", ");
      return `\nMeasured apart (${names}): ${describeRun(group[0]?.about ?? about)}`;
    }),
    "",
    renderTable(saved),
  ].join("\n");
}

function describeRun({ command, date, version, revision, machine, blas, software, load }: RunFacts): string {
  return [
    `\`${command}\` on ${date}, Opta-LMX ${version} (${revision}).`,
    `${machine}. ${blas}. ${software}. Load average at the start: ${load.toFixed(1)}.`,
  ].join("\n");
}
