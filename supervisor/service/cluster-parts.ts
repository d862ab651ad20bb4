import type { Logger } from "pino";
import type { LoadedConfig } from "../config/load-config.ts";
import type { Catalogue } from "../models/catalogue.ts";
import type { Runtime } from "../runtime/runtime-marker.ts";
import type { WorkerPlaces } from "../workers/launch-worker.ts";
import type { State } from "./open-state.ts";
import type { Telemetry } from "./open-telemetry.ts";

/** What the models of a service are composed of. */
export interface ClusterParts {
  /** In force now: another one after a reload, so ask anew each time. */
  readonly config: LoadedConfig["config"];
  readonly catalogue: Catalogue;
  readonly state: State;
  /** `built` is null until `ready` resolves. */
  readonly runtime: { readonly ready: Promise<Runtime>; readonly built: Runtime | null };
  readonly places: Omit<WorkerPlaces, "table" | "deadmanSeconds">;
  /** Why the service loads nothing unasked; null: it does. */
  safeMode(): string | null;
  readonly telemetry: Telemetry;
  readonly log: Logger;
}
