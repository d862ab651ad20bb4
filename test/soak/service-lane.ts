import { setTimeout as wait } from "node:timers/promises";
import { count } from "./ledger.ts";
import { childrenOf } from "./local-processes.ts";
import { faultName, serviceSchedule } from "./schedule.ts";
import type { SoakRun } from "./soak-run.ts";

/** Does to the whole service what its schedule says. Resolves when the run is over. */
export async function runServiceLane(run: SoakRun): Promise<void> {
  if (!run.service.isLocal) return;
  for (const { fault, delayMs } of serviceSchedule(run.options.seed)) {
    await Promise.race([wait(delayMs), run.over]);
    if (run.isOver) return;
    count(run.ledger.faults, faultName(fault));
    if (fault.kind === "pause") await pauseService(run.service.pid, fault.forMs);
    else await killSpare(run);
  }
}

async function pauseService(pid: number, forMs: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  try {
    await wait(forMs);
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** Workers that no model has: the spare, or one that looks at a structure. */
async function killSpare(run: SoakRun): Promise<void> {
  await run.watch.refresh().catch(() => {});
  const known = run.watch.seenPids;
  for (const pid of childrenOf(run.service.pid).filter((child) => !known.has(child))) {
    try {
      process.kill(pid, "SIGKILL");
      // Nobody watches it: it belongs to no model.
      run.ledger.died(faultName({ kind: "kill-spare" }), false);
    } catch {
      // Gone a moment before us.
    }
  }
}
