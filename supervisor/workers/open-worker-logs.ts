import { join } from "node:path";
import type { Logger } from "pino";
import { openWorkerLog } from "../host/log-file.ts";
import type { RedactionFacts } from "../policy/redact.ts";
import { WorkerLogs } from "./worker-logs.ts";

export interface WorkerLogFacts {
  readonly stateDirectory: string;
  /** What must not stand in a log. */
  redaction(): RedactionFacts;
  readonly log: Logger;
}

/** The files `lmx logs --worker` reads. */
export function openWorkerLogs({ stateDirectory, redaction, log }: WorkerLogFacts): WorkerLogs {
  return new WorkerLogs({
    open: (model) =>
      openWorkerLog(join(stateDirectory, "logs"), model, (error) =>
        log.warn({ model, error: error.message }, "the log of a model's workers cannot be written"),
      ),
    redaction,
    now: Date.now,
  });
}
