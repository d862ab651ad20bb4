import { readFile, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { type SweepResult, type SweepStatus, sweepStatusSchema } from "../shared/admin-sweep.ts";
import { replaceSection } from "./bench/replace-section.ts";

const PAGE = new URL("../docs/compatibility.md", import.meta.url);
const RESULTS = new URL("../docs/compatibility/latest.json", import.meta.url);

/** What operators of the largest models ask about first. */
const FIRST = ["glm4_moe", "glm_moe_dsa", "kimi_k2", "kimi_k25", "kimi_linear", "minimax", "minimax_m2"];

async function readResults(): Promise<SweepStatus> {
  return sweepStatusSchema.parse(JSON.parse(await readFile(RESULTS, "utf8")));
}

function section({ runtime, started_at, results }: SweepStatus): string {
  const { backend, backend_version, mlx_version, python_version, platform } = runtime!;
  const words = results.map(wordOf);
  const counts = ["pass", "limit", "fail", "skipped"].map(
    (word) => `${words.filter((one) => one === word).length} ${word}`,
  );
  return [
    `Made on ${started_at!.slice(0, 10)} with ${backend} ${backend_version}, mlx ${mlx_version}, Python ${python_version} on ${platform}: ${results.length} architectures, ${counts.join(", ")}.`,
    "",
    "GLM, Kimi and MiniMax:",
    "",
    ...table(results.filter(({ arch }) => FIRST.includes(arch))),
    "",
    "All:",
    "",
    ...table(results),
  ].join("\n");
}

function table(results: readonly SweepResult[]): string[] {
  const head = ["| architecture | outcome | load, s | peak memory, kB | remark |", "|---|---|---|---|---|"];
  return [...head, ...results.map(row)];
}

function row(result: SweepResult): string {
  const { arch, load_seconds, peak_memory_bytes } = result;
  const cells = [
    `\`${arch}\``,
    wordOf(result),
    load_seconds?.toFixed(2) ?? "",
    peak_memory_bytes === null ? "" : String(Math.round(peak_memory_bytes / 1000)),
    remarkOf(result).replaceAll("|", "\\|").replaceAll("\n", " "),
  ];
  return `| ${cells.join(" | ")} |`;
}

function wordOf({ outcome, limit }: SweepResult): string {
  return outcome === "fail" && limit !== null ? "limit" : outcome;
}

function remarkOf({ outcome, reason, limit }: SweepResult): string {
  if (outcome === "pass" && limit !== null) return `alone; known limit: ${limit.reason}`;
  return reason ?? "";
}

it("docs/compatibility.md shows the results beside it (UPDATE_DOCS=1 writes it)", async () => {
  const page = await readFile(PAGE, "utf8");
  const expected = replaceSection(page, "results", section(await readResults()));
  if (process.env.UPDATE_DOCS === "1") await writeFile(PAGE, expected);
  expect(await readFile(PAGE, "utf8")).toBe(expected);
});

it("its results are of a whole sweep, in which every outcome was found and not read from an earlier one", async () => {
  const { state, total, results } = await readResults();
  expect([state, results.length]).toEqual(["done", total]);
  expect(results.map(({ arch }) => arch)).toEqual(expect.arrayContaining(FIRST));
  for (const { arch, outcome, limit } of results.filter((one) => one.outcome === "skipped"))
    expect([arch, outcome, limit?.kind]).toEqual([arch, "skipped", "cannot-build"]);
});
