import type { Logger } from "pino";
import type { Metrics } from "../metrics/metrics.ts";
import type { RefusalLog } from "../refusal-log.ts";
import type { BadHttp } from "./connection-error.ts";

/** Logs and counts what was refused before it was a request, as the app does for requests. */
export function noteBadHttp(
  log: Pick<Logger, "info">,
  refusals: RefusalLog,
  metrics: Pick<Metrics, "failed">,
): (refused: BadHttp) => void {
  return (refused) => {
    metrics.failed(refused.code);
    refusals.note(refused, () => log.info(refused, "no request"));
  };
}
