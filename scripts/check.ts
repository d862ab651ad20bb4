import { checkSteps } from "./check-steps.ts";
import { pythonTools } from "./python-tools.ts";
import { runQuietly } from "./run-step.ts";

let failed = 0;
for (const step of checkSteps(await pythonTools())) if (!(await runQuietly(step))) failed += 1;
process.exitCode = failed === 0 ? 0 : 1;
