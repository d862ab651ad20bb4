import { inspectSnapshot } from "../../../supervisor/models/snapshot/inspect-snapshot.ts";

/**
 * Inspects a directory several times and prints what the cheapest time cost. Its own process, so that its heap can be
 * limited and no test runner shares its thread.
 */
const [directory = "", rounds = "1"] = process.argv.slice(2);
const megabytesBefore = peakMegabytes();
let kinds: string[] = [];
let bestMs = Number.POSITIVE_INFINITY;
let longestTurnMs = Number.POSITIVE_INFINITY;
for (let round = 0; round < Number(rounds); round += 1) {
  let isDone = false;
  const watching = longestTurn(() => isDone);
  const began = performance.now();
  kinds = (await inspectSnapshot(directory)).problems.map(({ kind }) => kind);
  bestMs = Math.min(bestMs, performance.now() - began);
  isDone = true;
  // A collection of garbage may fall into any turn; into the longest of every round it does not.
  longestTurnMs = Math.min(longestTurnMs, await watching);
}
const grownMegabytes = peakMegabytes() - megabytesBefore;
console.log(JSON.stringify({ kinds, bestMs, longestTurnMs, grownMegabytes }));

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
