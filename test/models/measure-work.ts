/** What doing something several times cost at its cheapest. */
export interface WorkCost<Result> {
  /** Of the last time. */
  readonly result: Result;
  readonly bestMs: number;
  readonly longestTurnMs: number;
  readonly grownMegabytes: number;
}

/** To be called in a process of its own: its heap can be limited, and no test runner shares its thread. */
export async function measureWork<Result>(
  rounds: number,
  work: () => Promise<Result>,
): Promise<WorkCost<Result>> {
  const megabytesBefore = peakMegabytes();
  let bestMs = Number.POSITIVE_INFINITY;
  let longestTurnMs = Number.POSITIVE_INFINITY;
  for (let round = 1; ; round += 1) {
    let isDone = false;
    const watching = longestTurn(() => isDone);
    const began = performance.now();
    const result = await work();
    bestMs = Math.min(bestMs, performance.now() - began);
    isDone = true;
    // A collection of garbage may fall into any turn; into the longest of every round it does not.
    longestTurnMs = Math.min(longestTurnMs, await watching);
    if (round >= rounds)
      return { result, bestMs, longestTurnMs, grownMegabytes: peakMegabytes() - megabytesBefore };
  }
}

/** The most memory this process ever held. */
function peakMegabytes(): number {
  return process.resourceUsage().maxRSS / 1024;
}

/** Processor time of this thread between two turns of its event loop: other processes do not count. */
async function longestTurn(isDone: () => boolean): Promise<number> {
  let longestMs = 0;
  let before = cpuMs();
  while (!isDone()) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = cpuMs();
    longestMs = Math.max(longestMs, now - before);
    before = now;
  }
  return longestMs;
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
