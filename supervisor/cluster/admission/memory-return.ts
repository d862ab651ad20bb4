import { setTimeout as delay } from "node:timers/promises";
import type { MemoryLedger } from "./memory-ledger.ts";

/** How often to see whether a dead worker's memory is back. */
export const LOOK_AGAIN_MS = 250;
/** Metal gives a dead process's memory back after ten seconds and more; somebody else's memory may never come. */
const LONGEST_MS = 60_000;

/** How long the memory of a worker that is gone may be missing. Linux takes it back before the end is to be seen. */
export function longestReturnMs(platform: NodeJS.Platform): number {
  return platform === "darwin" ? LONGEST_MS : 0;
}

/** Resolves when the memory promised to the model is there again, or when it has taken too long to wait any more. */
export async function untilMemoryIsBack(
  ledger: Pick<MemoryLedger, "isBacked">,
  modelId: string,
  now: () => number,
): Promise<void> {
  const deadline = now() + LONGEST_MS;
  while (!(await ledger.isBacked(modelId)) && now() < deadline) await delay(LOOK_AGAIN_MS);
}
