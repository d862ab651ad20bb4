import { mkdir, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import type { ModelCluster } from "./cluster/model-cluster.ts";
import { composeCluster } from "./compose-cluster.ts";
import { writeAddress } from "./host/address-file.ts";
import { findOpenBlas } from "./host/find-openblas.ts";
import { acquireLock } from "./host/lock-file.ts";
import { packageFiles } from "./host/package-files.ts";
import { createApp } from "./http/create-app.ts";
import { type Listener, listen } from "./http/listen.ts";
import { Metrics } from "./http/metrics/metrics.ts";
import type { LoadedConfig } from "./load-config.ts";
import { createCatalogue } from "./models/catalogue.ts";
import { DEMO_MODEL_ID, modelRoots } from "./models/model-roots.ts";
import type { RuntimeProgress } from "./runtime/build-runtime.ts";
import { ensureRuntime } from "./runtime/ensure-runtime.ts";
import type { Runtime } from "./runtime/runtime-marker.ts";
import { serviceStatus } from "./service-status.ts";
import { openAuditLog } from "./store/audit-log.ts";
import { openRegistry } from "./store/compatibility-registry.ts";

export interface SupervisorOptions {
  readonly loaded: LoadedConfig;
  readonly log: Logger;
  readonly onRuntimeProgress: (progress: RuntimeProgress) => void;
  /** Ends a runtime build that is under way. */
  readonly signal: AbortSignal;
}

/** A running service. */
export interface Supervisor {
  readonly url: string;
  readonly cluster: ModelCluster;
  /** Settles when the Python runtime stands and the models of `auto_load` were asked for. @throws RuntimeBuildError */
  readonly started: Promise<{ readonly unknownModels: readonly string[] }>;
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
  await mkdir(paths.stateDirectory, { recursive: true, mode: 0o700 });
  const lock = await acquireLock(paths.lockFile);
  try {
    const scratch = await emptyScratch(paths.stateDirectory);
    const files = packageFiles();
    const openBlas = config.preload_openblas ? findOpenBlas() : null;
    const registry = await openRegistry({ path: paths.registryFile, now: Date.now, log });
    const audit = await openAuditLog({ path: paths.auditFile, now: Date.now, log });
    const catalogue = createCatalogue({
      roots: modelRoots({
        modelsDirectory: paths.modelsDirectory,
        config,
        env: process.env,
        home: homedir(),
      }),
      embedded: [{ id: DEMO_MODEL_ID, path: files.demoModelDirectory }],
      aliases: config.aliases,
      log,
    });
    await catalogue.refresh();
    const runtime = new RuntimeOnce(() =>
      ensureRuntime({
        runtimesDirectory: paths.runtimesDirectory,
        lockFile: files.requirementsLock,
        signal: options.signal,
        onProgress: options.onRuntimeProgress,
      }),
    );
    const metrics = new Metrics();
    let draining = false;
    const { cluster, pool } = composeCluster({
      config,
      catalogue,
      registry,
      runtime,
      places: { workerDirectory: files.workerDirectory, scratch, openBlas },
      observer: metrics.observer,
      audit: (entry) => audit.append({ ts: new Date().toISOString(), reason: null, details: {}, ...entry }),
      log,
    });
    const service = serviceStatus({
      version: files.version,
      stateDirectory: paths.stateDirectory,
      cluster,
      registry,
      autoLoad: config.auto_load,
      runtime: () =>
        runtime.built === null ? null : { python: runtime.built.python, lock_hash: runtime.built.lockHash },
      draining: () => draining,
    });
    const app = createApp({ cluster, service, compatibility: registry, config, metrics, log });
    const listener = await listen(app, config);
    const removeAddress = await writeAddress(paths.addressFile, listener.url);
    void runtime.ready.then(() => pool.warm()).catch(() => {});
    const stopper = new Stopper(cluster, listener, async () => {
      await pool.close();
      await removeAddress();
      await registry.close();
      await audit.close();
      await rm(scratch, { recursive: true, force: true });
      await lock.release();
    });
    return {
      url: listener.url,
      cluster,
      started: runtime.ready.then(() => ({
        unknownModels: registry.recovered === "empty" ? [] : cluster.startAutoLoad(),
      })),
      stop: () => {
        draining = true;
        return stopper.stop();
      },
      abandon: () => {
        draining = true;
        return stopper.abandon();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The Python runtime, built at most once; everybody waits for the same build. */
class RuntimeOnce {
  readonly ready: Promise<Runtime>;
  #runtime: Runtime | null = null;

  constructor(build: () => Promise<Runtime>) {
    this.ready = build().then((runtime) => {
      this.#runtime = runtime;
      return runtime;
    });
    // Whoever needs it sees the error; nobody needing it yet is no reason to end the process.
    this.ready.catch(() => {});
  }

  get built(): Runtime | null {
    return this.#runtime;
  }
}

/** Stops the service once, orderly or hurried; the second way overtakes the first. */
class Stopper {
  readonly #cluster: ModelCluster;
  readonly #listener: Listener;
  readonly #cleanUp: () => Promise<void>;
  #stopped: Promise<void> | null = null;

  constructor(cluster: ModelCluster, listener: Listener, cleanUp: () => Promise<void>) {
    this.#cluster = cluster;
    this.#listener = listener;
    this.#cleanUp = cleanUp;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#finish();
    return this.#stopped;
  }

  async abandon(): Promise<void> {
    const stopped = this.stop();
    await this.#cluster.abandon();
    await stopped;
  }

  async #finish(): Promise<void> {
    // New connections are refused only after the running answers: a client mid-answer may need the port for nothing else.
    await this.#cluster.stop();
    await this.#listener.close();
    await this.#cleanUp();
  }
}

/** Private temporary directories of workers live here; what an earlier run left behind goes first. */
async function emptyScratch(stateDirectory: string): Promise<string> {
  const scratch = join(stateDirectory, "tmp");
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}
