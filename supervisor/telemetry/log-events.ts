import type { Logger } from "pino";
import type { EventLog } from "./event-log.ts";

/** What no other line of the log tells, and in which words. */
const WORDS = new Map([
  ["canary", "canary"],
  ["quarantined", "model quarantined"],
  ["released", "model released"],
]);

/** Writes down events that must outlast this run of the service: those that are kept in memory are gone with it. */
export function logEvents(events: Pick<EventLog, "subscribe">, log: Pick<Logger, "info">): void {
  events.subscribe(null, {
    onEvent: ({ type, model, reason, details }) => {
      const words = WORDS.get(type);
      if (words !== undefined) log.info({ model, ...(reason !== null && { reason }), details }, words);
    },
    onClosed: () => {},
  });
}
