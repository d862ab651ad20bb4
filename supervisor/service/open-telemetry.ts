import type { Logger } from "pino";
import { openDossiers } from "../cluster/dossiers/open-dossiers.ts";
import { EventLoopLag } from "../host/event-loop-lag.ts";
import { Metrics } from "../http/metrics/metrics.ts";
import { RefusalLog } from "../http/refusal-log.ts";
import { EventLog } from "../telemetry/event-log.ts";
import { logEvents } from "../telemetry/log-events.ts";
import { PerformanceLog } from "../telemetry/performance.ts";
import { redactionFacts } from "../telemetry/redaction-facts.ts";
import { openWorkerLogs } from "../workers/open-worker-logs.ts";
import type { State } from "./open-state.ts";

export interface TelemetryParts {
  readonly version: string;
  readonly stateDirectory: string;
  readonly state: State;
  /** In force now. */
  keys(): readonly string[];
  /** Keys that stood in the environment, for whatever service. */
  readonly environmentSecrets: readonly string[];
  readonly log: Logger;
}

/** Everything that says what a service does: metrics, figures, events, logs of workers, dossiers, refusals. */
export type Telemetry = ReturnType<typeof openTelemetry>;

export function openTelemetry(parts: TelemetryParts) {
  const { version, stateDirectory, state, keys, environmentSecrets, log } = parts;
  const events = new EventLog();
  logEvents(events, log);
  const redaction = redactionFacts(keys, environmentSecrets);
  return {
    metrics: new Metrics(),
    performance: new PerformanceLog(),
    lag: new EventLoopLag(),
    refusals: new RefusalLog({ log }),
    events,
    redaction,
    workerLogs: openWorkerLogs({ stateDirectory, redaction, log }),
    dossiers: openDossiers({ store: state.dossiers, version, redaction, log }),
  };
}
