import { type FigureResult, SUBJECTS, type Subject } from "./figure.ts";
import { digits, judgeGoal } from "./judge-goal.ts";
import { summarise } from "./statistics.ts";

const HEADINGS: Readonly<Record<Subject, string>> = {
  bare: "bare loop",
  "mlx_lm.server": "mlx_lm.server",
  worker: "our worker alone",
  "opta-lmx": "Opta-LMX",
};

/** With fewer samples the 95th percentile is little more than the maximum. */
const ENOUGH_FOR_P95 = 40;

/** The results as a Markdown table: median (min–max) per subject, goals with what was reached. */
export function renderTable(results: readonly FigureResult[]): string {
  const columns = SUBJECTS.filter((subject) =>
    results.some(({ figure }) => figure.subjects.includes(subject)),
  );
  const head = ["figure", ...columns.map((subject) => HEADINGS[subject]), "goal", "result"];
  const rows = results.map((result) => [
    `${result.figure.title}, ${result.figure.unit}`,
    ...columns.map((subject) => cell(result, subject)),
    ...goalCells(result),
  ]);
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function cell({ samples, failures }: FigureResult, subject: Subject): string {
  if (failures[subject] !== undefined) return "failed";
  const values = (samples[subject] ?? []).flat();
  if (values.length === 0) return "";
  const { min, median, max, p95, count } = summarise(values);
  const tail = count >= ENOUGH_FOR_P95 ? `; p95 ${digits(p95)}` : "";
  return `**${digits(median)}** (${digits(min)}–${digits(max)}${tail})`;
}

function goalCells({ figure, samples: all, failures }: FigureResult): [string, string] {
  const samples = Object.fromEntries(Object.entries(all).filter(([subject]) => !(subject in failures)));
  const verdicts = figure.goals.map((goal) => judgeGoal(goal, samples, figure.unit));
  const known = verdicts.filter((verdict) => verdict !== null);
  return [
    known.map((verdict) => verdict.goal).join("<br>"),
    known.map(({ actual, met }) => `${actual} ${met ? "met" : "**missed**"}`).join("<br>"),
  ];
}
