import type { Logger } from "pino";
import type { Status } from "../../shared/admin.ts";
import type { ModelCluster } from "../cluster/model-cluster.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { descriptorLimit } from "../host/descriptor-limit.ts";
import { findOpenBlas } from "../host/find-openblas.ts";
import { type PackageFiles, packageFiles } from "../host/package-files.ts";
import { Connections } from "../http/server/connections.ts";
import type { Service } from "../http/service.ts";
import { connectionLimit } from "../policy/requests/connection-limit.ts";
import type { ServiceStartNumbers } from "../policy/service/service-start.ts";
import type { RuntimeProgress } from "../runtime/build-runtime.ts";
import { ensureRuntime } from "../runtime/ensure-runtime.ts";
import type { Runtime } from "../runtime/runtime-marker.ts";
import { RuntimeOnce } from "../runtime/runtime-once.ts";
import { watchDegraded } from "../telemetry/degraded-watch.ts";
import type { EventLog } from "../telemetry/event-log.ts";
import { reapOrphans } from "../workers/reap-orphans.ts";
import { type ClusterComposition, composeCluster } from "./compose-cluster.ts";
import { composeHttp } from "./compose-http.ts";
import { findCatalogue } from "./find-catalogue.ts";
import { LiveConfig, type ReloadParts, reloadConfig } from "./live-config.ts";
import { type ListenerParts, type Listeners, openListeners } from "./open-listeners.ts";
import { openState, type State } from "./open-state.ts";
import { openTelemetry, type Telemetry } from "./open-telemetry.ts";
import { ServiceMode } from "./service-mode.ts";
import { serviceStatus } from "./service-status.ts";
import { Stopper } from "./stop-service.ts";
import { unaskedLoads, whyNothingIsLoaded } from "./unasked-loads.ts";

export interface SupervisorOptions {
  readonly loaded: LoadedConfig;
  /** Reads the configuration again as it was read for `loaded`; throws ConfigError. */
  readonly readConfig: () => LoadedConfig;
  readonly log: Logger;
  /** Keys that stood in the environment, for whatever service. */
  readonly environmentSecrets: readonly string[];
  readonly onRuntimeProgress: (progress: RuntimeProgress) => void;
  /** Ends a runtime build that is under way. */
  readonly signal: AbortSignal;
}

/** How the first loads went out. */
export interface ServiceStarted {
  /** Names of `auto_load` that are not on disk. */
  readonly unknownModels: readonly string[];
  /** Why nothing was loaded, and how to load a model; null: everything was asked for. */
  readonly loadsNothing: string | null;
}

/** A running service. */
export interface Supervisor {
  readonly url: string;
  readonly cluster: ModelCluster;
  /** Settles when the Python runtime stands and the models of `auto_load` were asked for. @throws RuntimeBuildError */
  readonly started: Promise<ServiceStarted>;
  /** Reads the configuration again and applies what a running service can take; what is wrong is logged. Never rejects. */
  reloadConfig(): Promise<void>;
  /** Drains, ends every worker, closes the port, and gives the state directory back. Idempotent. */
  stop(): Promise<void>;
  /** Like `stop`, without waiting for anybody. */
  abandon(): Promise<void>;
}

/**
 * Builds the whole service and opens its port; models come afterwards, so the API answers from the first moment.
 * @throws LockHeldError, or the system's error when the port or the state directory cannot be used
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const state = await openState(options.loaded.paths, options.log);
  try {
    if (state.isLocked) await reapOrphans(state.workers, options.log);
    return await startService(options, state);
  } catch (error) {
    await state.close();
    throw error;
  }
}

async function startService(options: SupervisorOptions, state: State): Promise<Supervisor> {
  const { loaded, environmentSecrets, log } = options;
  const files = packageFiles();
  const live = new LiveConfig(loaded, options.readConfig);
  const catalogue = await findCatalogue({ loaded, files, aliases: () => live.config.aliases, log });
  const runtime = runtimeOf(options, files);
  const { version } = files;
  const { stateDirectory } = loaded.paths;
  const keys = () => [...live.config.api_keys, ...live.config.admin_keys];
  const telemetry = openTelemetry({ version, stateDirectory, state, keys, environmentSecrets, log });
  const { events } = telemetry;
  const loadUnasked = unaskedLoads(() => composition.cluster, state, events, log);
  // Before the runtime is known, nobody's key is: what is to be left out could not be told.
  const onLeft = () => void runtime.ready.then(loadUnasked, () => {});
  const mode = await beginMode({ config: loaded.config, state, events, onLeft, log });
  const composition = composeCluster({
    get config() {
      return live.config;
    },
    catalogue,
    state,
    runtime,
    places: workerPlaces(loaded, files, state),
    safeMode: () => mode.safeMode,
    telemetry,
    log,
  });
  const { cluster, pool } = composition;
  const stop = { isBegun: false };
  const conditions = { safeMode: () => mode.safeMode, draining: () => stop.isBegun };
  const reload: ReloadParts = { live, cluster, audit: state.audit, events, log, ...conditions };
  const service = statusOf({ version, loaded, live, state, runtime, composition, conditions });
  const connections = connectionsOf(loaded, telemetry);
  const app = composeHttp({ composition, service, state, telemetry, reload, mode, connections, log });
  const { isLocked } = state;
  const listeners = await openListenersOrStop({ loaded, app, connections, telemetry, isLocked, log }, mode);
  void runtime.ready.then(() => pool.warm()).catch(() => {});
  const stopper = stopperOf({ composition, live, telemetry, listeners, mode, state });
  const beginStop = () => {
    stop.isBegun = true;
    mode.stopping();
  };
  return {
    url: listeners.url,
    cluster,
    started: runtime.ready.then(async () => ({
      unknownModels: await startModels(cluster, mode, loadUnasked),
      loadsNothing: whyNothingIsLoaded(mode, state),
    })),
    reloadConfig: () => reloadBySignal(reload),
    stop: () => {
      beginStop();
      return stopper.stop();
    },
    abandon: () => {
      beginStop();
      return stopper.abandon();
    },
  };
}

interface StatusParts {
  readonly version: string;
  readonly loaded: LoadedConfig;
  readonly live: LiveConfig;
  readonly state: State;
  readonly runtime: RuntimeOnce;
  readonly composition: ClusterComposition;
  readonly conditions: { safeMode(): string | null; draining(): boolean };
}

function statusOf({ version, loaded, live, state, runtime, composition, conditions }: StatusParts): Service {
  return serviceStatus({
    version,
    stateDirectory: loaded.paths.stateDirectory,
    cluster: composition.cluster,
    degraded: state.degraded,
    runtimeBroken: () => composition.runtimeWatch.broken,
    get autoLoad() {
      return live.config.auto_load;
    },
    runtime: () => describeRuntime(runtime.built),
    ...conditions,
  });
}

/** Opens them, or ends the service as one that stopped. */
async function openListenersOrStop(parts: ListenerParts, mode: ServiceMode): Promise<Listeners> {
  try {
    return await openListeners(parts);
  } catch (error) {
    // A port in use is no crash: three of them in a row must not end in safe mode.
    await mode.stopped();
    throw error;
  }
}

async function reloadBySignal(reload: ReloadParts): Promise<void> {
  const bySignal = { key: null, address: null, via: "signal" };
  await reloadConfig(reload, bySignal).catch((err: unknown) => reload.log.warn({ err }, "not reloaded"));
}

function connectionsOf({ config }: LoadedConfig, { metrics }: Telemetry): Connections {
  const limit = connectionLimit(descriptorLimit(), config.max_connections);
  return new Connections(limit, () => metrics.connectionRefused());
}

function runtimeOf(
  { loaded, signal, onRuntimeProgress }: SupervisorOptions,
  { requirementsLock }: PackageFiles,
): RuntimeOnce {
  return new RuntimeOnce(() =>
    ensureRuntime({
      runtimesDirectory: loaded.paths.runtimesDirectory,
      within: loaded.paths.stateDirectory,
      lockFile: requirementsLock,
      signal,
      onProgress: onRuntimeProgress,
    }),
  );
}

function describeRuntime(built: Runtime | null): Status["runtime"] {
  return built === null ? null : { python: built.python, lock_hash: built.lockHash };
}

function workerPlaces({ config }: LoadedConfig, { workerDirectory }: PackageFiles, { scratch }: State) {
  const openBlas = config.preload_openblas ? findOpenBlas() : null;
  return { workerDirectory, scratch, openBlas };
}

interface ModeParts {
  readonly config: LoadedConfig["config"];
  readonly state: State;
  readonly events: EventLog;
  /** Safe mode was left. */
  onLeft(): void;
  readonly log: Logger;
}

async function beginMode({ config, state, events, onLeft, log }: ModeParts): Promise<ServiceMode> {
  const { journal, bootId } = state;
  const mode = await ServiceMode.begin({
    journal,
    bootId,
    numbers: safeModeNumbers(config),
    onLeft: () => {
      events.emit({ type: "safe_mode_left" });
      onLeft();
    },
    log,
  });
  if (mode.safeMode !== null) events.emit({ type: "safe_mode_entered", details: { message: mode.safeMode } });
  return mode;
}

interface StopParts {
  readonly composition: ClusterComposition;
  readonly live: LiveConfig;
  readonly telemetry: Telemetry;
  readonly listeners: Listeners;
  readonly mode: ServiceMode;
  readonly state: State;
}

function stopperOf({ composition, live, telemetry, listeners, mode, state }: StopParts): Stopper {
  const { cluster, sweep, pool, runtimeWatch } = composition;
  const { events, refusals, dossiers, lag, workerLogs } = telemetry;
  const stopWatching = watchDegraded(state.degraded, events);
  // Readers of events stay until there is nothing more to tell.
  const close = async () => {
    events.close();
    await listeners.close();
  };
  return new Stopper({
    cluster,
    sweep,
    listener: { close },
    drainMs: () => live.config.timeouts.drain_seconds * 1000,
    cleanUp: async () => {
      stopWatching();
      refusals.close();
      dossiers.close();
      lag.stop();
      runtimeWatch.stop();
      await pool.close();
      await workerLogs.close();
      await listeners.removeAddress();
      await mode.stopped();
      await state.close();
    },
  });
}

async function startModels(
  cluster: ModelCluster,
  mode: ServiceMode,
  loadUnasked: () => Promise<string[]>,
): Promise<string[]> {
  cluster.runtimeKnown();
  return mode.safeMode === null ? await loadUnasked() : [];
}

function safeModeNumbers({ safe_mode }: LoadedConfig["config"]): ServiceStartNumbers {
  return {
    limit: safe_mode.unclean_ends,
    windowMs: safe_mode.within_seconds * 1000,
    steadyMs: safe_mode.steady_seconds * 1000,
  };
}
