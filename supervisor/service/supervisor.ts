import { homedir } from "node:os";
import type { Logger } from "pino";
import { openDossiers } from "../cluster/dossiers/open-dossiers.ts";
import type { ModelCluster } from "../cluster/model-cluster.ts";
import { warnOfExposedPaths } from "../config/exposed-paths.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { writeAddress } from "../host/address-file.ts";
import { descriptorLimit } from "../host/descriptor-limit.ts";
import { EventLoopLag } from "../host/event-loop-lag.ts";
import { findOpenBlas } from "../host/find-openblas.ts";
import { packageFiles } from "../host/package-files.ts";
import { createApp } from "../http/create-app.ts";
import { Metrics } from "../http/metrics/metrics.ts";
import { RefusalLog } from "../http/refusal-log.ts";
import { Connections } from "../http/server/connections.ts";
import { listen } from "../http/server/listen.ts";
import { noteBadHttp } from "../http/server/note-bad-http.ts";
import { createCatalogue } from "../models/catalogue.ts";
import { withAliases } from "../models/live-aliases.ts";
import { DEMO_MODEL_ID, modelRoots } from "../models/model-roots.ts";
import { connectionLimit } from "../policy/requests/connection-limit.ts";
import type { ServiceStartNumbers } from "../policy/service/service-start.ts";
import type { RuntimeProgress } from "../runtime/build-runtime.ts";
import { ensureRuntime } from "../runtime/ensure-runtime.ts";
import { RuntimeOnce } from "../runtime/runtime-once.ts";
import type { AuditLog } from "../store/audit-log.ts";
import type { AuditContext } from "../telemetry/audit-context.ts";
import { watchDegraded } from "../telemetry/degraded-watch.ts";
import { EventLog } from "../telemetry/event-log.ts";
import { logEvents } from "../telemetry/log-events.ts";
import { noteInAudit } from "../telemetry/note-in-audit.ts";
import { observeAll } from "../telemetry/observe-all.ts";
import { PerformanceLog } from "../telemetry/performance.ts";
import { redactionFacts } from "../telemetry/redaction-facts.ts";
import { openWorkerLogs } from "../workers/open-worker-logs.ts";
import { reapOrphans } from "../workers/reap-orphans.ts";
import { auditedSweep } from "./audited-sweep.ts";
import { composeCluster } from "./compose-cluster.ts";
import { LiveConfig, type ReloadParts, reloadConfig } from "./live-config.ts";
import { describeAdminSocket, openAdminSocket } from "./open-admin-socket.ts";
import { openState } from "./open-state.ts";
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

/** A disk that is slow, or gone, holds up neither the start nor an operator for longer. Milliseconds. */
const SCAN_PATIENCE_MS = 5_000;

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
  const { loaded, log } = options;
  const { config, paths } = loaded;
  const live = new LiveConfig(loaded, options.readConfig);
  const state = await openState(paths, log);
  try {
    if (state.isLocked) await reapOrphans(state.workers, log);
    const files = packageFiles();
    const openBlas = config.preload_openblas ? findOpenBlas() : null;
    const onDisk = createCatalogue({
      roots: modelRoots({
        modelsDirectory: paths.modelsDirectory,
        config,
        env: process.env,
        home: homedir(),
      }),
      embedded: [{ id: DEMO_MODEL_ID, path: files.demoModelDirectory }],
      log,
      patienceMs: SCAN_PATIENCE_MS,
    });
    const catalogue = withAliases(onDisk, () => live.config.aliases);
    await catalogue.refresh();
    const modelDirectory = async (id: string) => catalogue.resolve(id)?.path ?? null;
    void warnOfExposedPaths({ loaded, env: process.env, home: homedir(), modelDirectory }, log);
    const runtime = new RuntimeOnce(() =>
      ensureRuntime({
        runtimesDirectory: paths.runtimesDirectory,
        within: paths.stateDirectory,
        lockFile: files.requirementsLock,
        signal: options.signal,
        onProgress: options.onRuntimeProgress,
      }),
    );
    const metrics = new Metrics();
    const limit = connectionLimit(descriptorLimit(), config.max_connections);
    const connections = new Connections(limit, () => metrics.connectionRefused());
    const performanceLog = new PerformanceLog();
    const lag = new EventLoopLag();
    const events = new EventLog();
    logEvents(events, log);
    const redaction = redactionFacts(
      () => [...live.config.api_keys, ...live.config.admin_keys],
      options.environmentSecrets,
    );
    const workerLogs = openWorkerLogs({ stateDirectory: paths.stateDirectory, redaction, log });
    const dossiers = openDossiers({
      store: state.dossiers,
      version: files.version,
      redaction,
      log,
    });
    const loadUnasked = unaskedLoads(() => cluster, state, events, log);
    let draining = false;
    const mode = await ServiceMode.begin({
      journal: state.journal,
      bootId: state.bootId,
      numbers: safeModeNumbers(config),
      onLeft: () => {
        events.emit({ type: "safe_mode_left" });
        // Before the runtime is known, nobody's key is: what is to be left out could not be told.
        void runtime.ready.then(loadUnasked, () => {});
      },
      log,
    });
    if (mode.safeMode !== null)
      events.emit({ type: "safe_mode_entered", details: { message: mode.safeMode } });
    const { cluster, pool, runtimeWatch, sweep, ledger } = composeCluster({
      get config() {
        return live.config;
      },
      catalogue,
      state,
      runtime,
      places: { workerDirectory: files.workerDirectory, scratch: state.scratch, openBlas },
      safeMode: () => mode.safeMode,
      observer: observeAll(metrics.observer, performanceLog.observer),
      events,
      dossiers,
      workerLogs,
      redaction,
      onQuarantined: (model, rule) => metrics.quarantined(model, rule),
      log,
    });
    const service = serviceStatus({
      version: files.version,
      stateDirectory: paths.stateDirectory,
      cluster,
      degraded: state.degraded,
      safeMode: () => mode.safeMode,
      runtimeBroken: () => runtimeWatch.broken,
      get autoLoad() {
        return live.config.auto_load;
      },
      runtime: () =>
        runtime.built === null ? null : { python: runtime.built.python, lock_hash: runtime.built.lockHash },
      draining: () => draining,
    });
    const reload: ReloadParts = {
      live,
      cluster,
      audit: state.audit,
      events,
      log,
      safeMode: () => mode.safeMode,
      draining: () => draining,
    };
    const refusals = new RefusalLog({ log });
    const app = createApp({
      cluster,
      service,
      compatibility: state.registry,
      sweep: auditedSweep(sweep, state.audit),
      audit: state.audit,
      safeMode: { leave: (context) => leaveSafeMode(mode, state.audit, context) },
      dossiers: state.dossiers,
      events,
      get config() {
        return live.config;
      },
      settings: { show: () => live.show(), reload: (actor) => reloadConfig(reload, actor) },
      memory: { snapshot: () => ledger.snapshot(), config: () => live.config.memory },
      performance: performanceLog,
      health: {
        eventLoopLagMs: () => lag.p99Ms,
        runtimeBroken: () => runtimeWatch.broken,
        connections: () => connections.count,
        spareWorkers: () => (pool.sparePid === null ? 0 : 1),
      },
      metrics,
      log,
      refusals,
    });
    const onBadHttp = noteBadHttp(log, refusals, metrics);
    const listener = await listen(app, { ...config, connections, onBadHttp }).catch(
      async (error: unknown) => {
        // A port in use is no crash: three of them in a row must not end in safe mode.
        await mode.stopped();
        throw error;
      },
    );
    const adminSocket = await openAdminSocket(app, paths, state.isLocked);
    if (adminSocket.problem !== null) log.warn(describeAdminSocket(adminSocket, listener.url));
    const address = { url: listener.url, socket: adminSocket.path };
    const removeAddress = await writeAddress(paths.addressFile, address).catch(() => async () => {});
    void runtime.ready.then(() => pool.warm()).catch(() => {});
    const stopWatching = watchDegraded(state.degraded, events);
    // Readers of events stay until there is nothing more to tell.
    const close = async () => {
      events.close();
      await Promise.all([listener.close(), adminSocket.close()]);
    };
    const stopper = new Stopper({
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
        await removeAddress();
        await mode.stopped();
        await state.close();
      },
    });
    return {
      url: listener.url,
      cluster,
      started: runtime.ready.then(async () => ({
        unknownModels: await startModels(cluster, mode, loadUnasked),
        loadsNothing: whyNothingIsLoaded(mode, state),
      })),
      reloadConfig: async () => {
        const bySignal = { key: null, address: null, via: "signal" };
        await reloadConfig(reload, bySignal).catch((err: unknown) => log.warn({ err }, "not reloaded"));
      },
      stop: () => {
        draining = true;
        mode.stopping();
        return stopper.stop();
      },
      abandon: () => {
        draining = true;
        mode.stopping();
        return stopper.abandon();
      },
    };
  } catch (error) {
    await state.close();
    throw error;
  }
}

async function startModels(
  cluster: ModelCluster,
  mode: ServiceMode,
  loadUnasked: () => Promise<string[]>,
): Promise<string[]> {
  cluster.runtimeKnown();
  return mode.safeMode === null ? await loadUnasked() : [];
}

async function leaveSafeMode(mode: ServiceMode, audit: AuditLog, context: AuditContext): Promise<boolean> {
  await noteInAudit(audit, { action: "leave_safe_mode", model: null, ...context });
  return await mode.leave();
}

function safeModeNumbers({ safe_mode }: LoadedConfig["config"]): ServiceStartNumbers {
  return {
    limit: safe_mode.unclean_ends,
    windowMs: safe_mode.within_seconds * 1000,
    steadyMs: safe_mode.steady_seconds * 1000,
  };
}
