import type { EventSink } from "./event-log.ts";

const PERIOD_MS = 5_000;

/**
 * Tells when stores begin to live in memory only, and when the disk has everything again. Those whose disk fills up heal by
 * themselves, and say so only when asked.
 * @returns stops the watch
 */
export function watchDegraded(
  degraded: () => readonly string[],
  events: EventSink,
  periodMs = PERIOD_MS,
): () => void {
  let told = "[]";
  const look = () => {
    const why = degraded();
    const text = JSON.stringify(why);
    if (text === told) return;
    told = text;
    events.emit({
      type: why.length > 0 ? "registry_degraded" : "registry_restored",
      details: { degraded: why },
    });
  };
  look();
  const timer = setInterval(look, periodMs);
  timer.unref();
  return () => clearInterval(timer);
}
