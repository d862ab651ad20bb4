import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { SoakReport } from "../soak/report.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const SOAK = join(import.meta.dirname, "../soak/run.ts");
const DEATHS = 30;
/** Of a run that takes half a minute on two idle cores. */
const LONGEST_SECONDS = 400;

it(
  `${DEATHS} worker deaths under load break no gate`,
  async () => {
    const json = join(await temporaryDirectory(), "report.json");
    // Ten times the time the design allows: this is about outcomes.
    const args = ["--deaths", DEATHS, "--duration", `${LONGEST_SECONDS}s`, "--ended-within-ms", 10_000];
    const output = await run([...args, "--seed", 5, "--json", json].map(String));
    const report = JSON.parse(readFileSync(json, "utf8")) as SoakReport;
    const broken = report.gates.filter(({ holds }) => holds === false);
    expect(broken, output).toEqual([]);
    expect(report.holds).toBe(true);
    expect(report.totals.deaths).toBeGreaterThanOrEqual(DEATHS);
    expect(Object.keys(report.deaths).length).toBeGreaterThan(3);
    expect(report.gates.filter(({ holds }) => holds === true).length).toBeGreaterThan(10);
  },
  (LONGEST_SECONDS + 200) * 1000,
);

/** Everything it wrote, whatever its exit code. */
function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve) =>
    execFile(process.execPath, [SOAK, ...args], (_, stdout, stderr) => resolve(stdout + stderr)),
  );
}
