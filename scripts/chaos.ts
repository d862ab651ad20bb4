import { join } from "node:path";
import { runLoudly } from "./run-step.ts";

/** The whole fault matrix, slow rows too; further arguments go to vitest: `npm run chaos -- -t W21`. */
const ROOT = join(import.meta.dirname, "..");
const vitest = join(ROOT, "node_modules", ".bin", "vitest");

process.exitCode = await runLoudly({
  name: "chaos",
  command: [vitest, "run", "test/chaos", ...process.argv.slice(2)],
  cwd: ROOT,
  env: { ...process.env, CHAOS: "all" },
});
