import type { Logger } from "pino";
import { processCommand } from "../host/process-command.ts";
import { processStartTime } from "../host/process-start-time.ts";
import type { WorkerTable } from "../store/worker-table.ts";

/**
 * Ends workers that an earlier supervisor left behind: a stopped process hears neither its stdin nor its parent's death.
 * Only where pid, start time and the token in the command line all match, because pids are used again.
 */
export async function sweepWorkers(table: WorkerTable, log: Logger): Promise<void> {
  await Promise.all(
    [...table.rows()].map(async ({ pid, startTime, token }) => {
      const isOurs =
        (await processStartTime(pid).catch(() => null)) === startTime &&
        (await processCommand(pid))?.includes(token) === true;
      if (isOurs) {
        log.warn({ pid }, "a worker of an earlier start is ended");
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It went by itself.
        }
      }
      await table.remove(token);
    }),
  );
}
