import type { Logger } from "pino";
import { processCommand } from "../host/process-command.ts";
import { processStartTime } from "../host/process-start-time.ts";
import type { WorkerTable } from "../store/worker-table.ts";
import { endDescendants } from "./end-descendants.ts";
import { endGroup, endProcess } from "./worker-group.ts";

/**
 * Ends workers that an earlier supervisor left behind: a stopped process hears neither its stdin nor its parent's death.
 * Only where pid, start time and the token in the command line all match, because pids are used again. What workers had
 * started themselves is found by the token alone, whether they still live or not.
 */
export async function reapOrphans(table: WorkerTable, log: Logger): Promise<void> {
  const rows = [...table.rows()];
  await Promise.all(
    rows.map(async ({ pid, startTime, token }) => {
      const isOurs =
        (await processStartTime(pid).catch(() => null)) === startTime &&
        (await processCommand(pid))?.includes(token) === true;
      if (isOurs) {
        log.warn({ pid }, "a worker of an earlier start is ended");
        endGroup(pid);
        // A worker of an earlier version leads no group.
        endProcess(pid);
      }
    }),
  );
  const ended = await endDescendants(rows.map(({ token }) => token));
  if (ended > 0) log.warn({ ended }, "processes that workers of an earlier start had left behind are ended");
  await Promise.all(rows.map(({ token }) => table.remove(token)));
}
