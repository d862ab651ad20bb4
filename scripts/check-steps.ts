import { join } from "node:path";
import type { PythonTools } from "./python-tools.ts";
import type { Step } from "./run-step.ts";

const ROOT = join(import.meta.dirname, "..");
const WORKER = join(ROOT, "worker");

/** What `npm run check` runs: format, lint, types and unused code of both languages. */
export function checkSteps({ python, environment, ruff }: PythonTools): Step[] {
  const local = (name: string) => join(ROOT, "node_modules", ".bin", name);
  const inWorker = { cwd: WORKER, env: environment };
  return [
    { name: "biome", command: [local("biome"), "ci", "."], cwd: ROOT },
    { name: "tsc", command: [local("tsc"), "-p", "."], cwd: ROOT },
    { name: "knip", command: [local("knip")], cwd: ROOT },
    { name: "ruff format", command: [ruff, "format", "--check", "."], ...inWorker },
    { name: "ruff", command: [ruff, "check", "."], ...inWorker },
    { name: "pyright", command: [local("pyright"), "--pythonpath", python], ...inWorker },
  ];
}
