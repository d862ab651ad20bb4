import { setTimeout as wait } from "node:timers/promises";
import { count } from "./ledger.ts";
import { childrenOf } from "./local-processes.ts";
import { reloadRequest } from "./request-mix.ts";
import { faultName, type ServiceStep, serviceSchedule } from "./schedule.ts";
import { soakConfig } from "./soak-config.ts";
import type { SoakRun } from "./soak-run.ts";

/** Does to the whole service what its schedule says. Resolves when the run is over. */
export async function runServiceLane(run: SoakRun): Promise<void> {
  if (!run.service.isLocal) return;
  for (const step of serviceSchedule(run.options.seed)) {
    await Promise.race([wait(step.delayMs), run.over]);
    if (run.isOver) return;
    count(run.ledger.faults, faultName(step.fault));
    await perform(run, step);
  }
}

async function perform(run: SoakRun, { fault, index }: ServiceStep): Promise<void> {
  switch (fault.kind) {
    case "pause":
      return await pauseService(run.service.pid, fault.forMs);
    case "kill-spare":
      return await killSpare(run);
    case "reload":
      return await reload(run, fault.how, index);
    default:
      fault satisfies never;
  }
}

async function pauseService(pid: number, forMs: number): Promise<void> {
  const goOn = () => void process.kill(pid, "SIGCONT");
  // Also when this run is ended meanwhile: a service that is somebody else's must not stay stopped.
  process.once("exit", goOn);
  process.kill(pid, "SIGSTOP");
  try {
    await wait(forMs);
  } finally {
    process.off("exit", goOn);
    goOn();
  }
}

/** A service that is not ours keeps its file, and reads it again as it is. */
async function reload(run: SoakRun, how: "changed" | "refused", step: number): Promise<void> {
  const { own, bystander, victims } = run.service;
  const models = [bystander, ...victims];
  const isRefused = own !== null && how === "refused";
  // An alias is another model's each time, and sometimes nobody's.
  const target = models[step % (models.length + 1)];
  const change = target === undefined ? {} : { aliases: { "soak/alias": target } };
  own?.writeConfig(soakConfig(models, isRefused ? { no_such_setting: step } : change));
  await run.send(reloadRequest(isRefused));
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
