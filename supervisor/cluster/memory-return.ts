import { setTimeout as delay } from "node:timers/promises";
import type { MemoryLedger } from "./memory-ledger.ts";

const LOOK_AGAIN_MS = 250;
/** Metal gives a dead process's memory back after ten seconds and more; somebody else's memory may never come. */
const LONGEST_MS = 60_000;

/** Resolves when the memory promised to the model is there again, or when it has taken too long to wait any more. */
export async function untilMemoryIsBack(
  ledger: Pick<MemoryLedger, "isBacked">,
  modelId: string,
  now: () => number,
): Promise<void> {
  const deadline = now() + LONGEST_MS;
  while (!(await ledger.isBacked(modelId)) && now() < deadline) await delay(LOOK_AGAIN_MS);
}
