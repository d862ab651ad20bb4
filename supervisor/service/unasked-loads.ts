import type { Logger } from "pino";
import type { ModelCluster } from "../cluster/model-cluster.ts";
import { keysThatMayHaveTakenTheHostDown } from "../policy/service/open-intents.ts";
import type { EventLog } from "../telemetry/event-log.ts";
import type { State } from "./open-state.ts";
import type { ServiceMode } from "./service-mode.ts";

const HISTORY_LOST =
  "What is remembered of failures could not be read; no model is loaded unasked at this start";

/**
 * Loads what is to be loaded without being asked for, at the start or when safe mode is over: not at all when failures
 * were forgotten, and once without what may have taken the machine down. Names what is not on disk.
 */
export function unaskedLoads(
  cluster: () => ModelCluster,
  state: State,
  events: EventLog,
  log: Logger,
): () => Promise<string[]> {
  const left = [...state.intents.open()];
  // Of this boot: the service went down, and not the machine.
  void state.intents.endAllOf(left.filter(({ bootId }) => bootId === state.bootId));
  const load = async () => {
    if (state.isHistoryLost) {
      log.error(HISTORY_LOST);
      const reason = { code: "auto_load_skipped", cause: "failures_forgotten", message: HISTORY_LOST };
      events.emit({ type: "auto_load_skipped", reason });
      return [];
    }
    const suspects = new Set(keysThatMayHaveTakenTheHostDown(left, state.bootId));
    // Forgotten only now: a start in safe mode leaves nothing out, since it loads nothing.
    await state.intents.endAllOf(left);
    return cluster().startAutoLoad(suspects);
  };
  // Once, whether the start or the end of safe mode is first to ask.
  let loading: Promise<string[]> | null = null;
  return () => {
    loading ??= load();
    return loading;
  };
}

/** Why nothing is loaded at this start, and how to load a model; null: everything is asked for. */
export function whyNothingIsLoaded({ safeMode }: ServiceMode, { isHistoryLost }: State): string | null {
  if (safeMode !== null) return `${safeMode}. Load one with: lmx load <model> --override-safe-mode`;
  return isHistoryLost ? `${HISTORY_LOST}. Load one with: lmx load <model>` : null;
}
