import type { Logger } from "pino";
import type { ConfigReload, ConfigReport } from "../../shared/admin-config.ts";
import type { Config } from "../../shared/config.ts";
import { LmxError, serverStopping } from "../../shared/errors.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { ConfigError } from "../config/config-problem.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { shownValues } from "../config/shown-values.ts";
import { isLoopbackHost } from "../host/loopback.ts";
import { type ConfigChange, isLive, planReload, type ReloadPlan } from "../policy/service/plan-reload.ts";
import type { AuditLog, AuditRow } from "../store/audit-log.ts";
import type { EventSink } from "../telemetry/event-log.ts";
import { noteInAudit } from "../telemetry/note-in-audit.ts";

/** The configuration in force, which a reload replaces as a whole or not at all. */
export class LiveConfig {
  readonly #read: () => LoadedConfig;
  #loaded: LoadedConfig;
  #needsRestart: readonly ConfigChange[] = [];

  /** @param read reads file, environment and flags again; throws ConfigError */
  constructor(loaded: LoadedConfig, read: () => LoadedConfig) {
    this.#loaded = loaded;
    this.#read = read;
  }

  /** Ask anew each time: a value that is kept is the one of then. */
  get config(): Config {
    return this.#loaded.config;
  }

  /**
   * Reads the configuration again and puts in force what a running service can take.
   * @param loadedModels ids of the models that have a worker
   * @throws ConfigError with every problem; then nothing has changed
   */
  replace(loadedModels: readonly string[]): ReloadPlan {
    const wanted = this.#read();
    const plan = planReload(this.config, wanted.config, loadedModels);
    refuseOpenDoors(plan.config, wanted.config);
    const { paths, sources } = this.#loaded;
    // A value that stays has come from where it came from.
    const kept = Object.entries(sources).filter(([key]) => !isLive(topLevel(key)));
    this.#loaded = {
      config: plan.config,
      sources: { ...wanted.sources, ...Object.fromEntries(kept) },
      paths,
    };
    this.#needsRestart = plan.needsRestart;
    return plan;
  }

  show(): ConfigReport {
    const { config, sources, paths } = this.#loaded;
    return {
      config_file: paths.configFile,
      state_directory: paths.stateDirectory,
      values: shownValues(config, sources, paths.configFile),
      needs_restart: [...this.#needsRestart],
    };
  }
}

function topLevel(key: string): string {
  return key.split(".", 1)[0] ?? key;
}

/** The new configuration may do without keys because its host is a loopback one, while we listen on another still. */
function refuseOpenDoors({ host, api_keys, admin_keys }: Config, wanted: Config): void {
  if (isLoopbackHost(host) || (api_keys.length > 0 && admin_keys.length > 0)) return;
  throw new ConfigError([
    `host: the service listens on ${JSON.stringify(host)} until it is started again, so api_keys and admin_keys cannot be emptied by a reload; keep them, or stop the service and start it with host ${JSON.stringify(wanted.host)}`,
  ]);
}

export interface ReloadParts {
  readonly live: LiveConfig;
  readonly cluster: Pick<Cluster, "models" | "startLoad">;
  readonly audit: Pick<AuditLog, "append">;
  readonly events: EventSink;
  readonly log: Pick<Logger, "info" | "warn" | "level">;
  /** Why models are not loaded unasked; null: they are. */
  safeMode(): string | null;
  draining(): boolean;
}

/**
 * Reads the configuration again and does what follows from it: log level, models new in `auto_load`, audit trail.
 * @throws LmxError invalid_request_error with every problem in its details; then nothing has changed
 */
export async function reloadConfig(parts: ReloadParts, actor: AuditRow["actor"]): Promise<ConfigReload> {
  const { live, log } = parts;
  if (parts.draining()) throw serverStopping();
  const before = live.config.auto_load;
  const plan = await replaceOrRefuse(parts, actor);
  const { applied, needsRestart, unchanged } = plan;
  const keys = { applied: applied.map(({ key }) => key), needs_restart: needsRestart.map(({ key }) => key) };
  log.info(keys, "configuration reloaded");
  parts.events.emit({ type: "config_reloaded", details: keys });
  log.level = live.config.log_level;
  await note(parts, actor, keys);
  const added = live.config.auto_load.filter((id) => !before.includes(id));
  return {
    applied: applied.map(({ takesEffect, staleModels, ...change }) => ({
      ...change,
      takes_effect: takesEffect,
      restart_models: [...staleModels],
    })),
    needs_restart: [...needsRestart],
    unchanged,
    ...(await loadAdded(parts, added)),
  };
}

/** The row of the audit trail. */
function note({ audit }: ReloadParts, actor: AuditRow["actor"], details: AuditRow["details"]): Promise<void> {
  return noteInAudit(audit, { action: "reload_config", model: null, actor, reason: null, details });
}

async function replaceOrRefuse(parts: ReloadParts, actor: AuditRow["actor"]): Promise<ReloadPlan> {
  const { live, cluster, events, log } = parts;
  const loaded = cluster.models().filter(({ worker }) => worker !== null);
  try {
    return live.replace(loaded.map(({ id }) => id));
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    const { problems } = thrown;
    log.warn({ problems }, "the configuration was not reloaded");
    const summary = problems[0] ?? "";
    events.emit({
      type: "config_refused",
      reason: { code: "invalid_request_error", cause: "configuration", message: summary },
      details: { problems },
    });
    await note(parts, actor, { refused: true, problem: summary, problems: problems.length });
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const message = `Expected a configuration without problems, got ${count}; nothing was changed. ${summary}`;
    throw new LmxError("invalid_request_error", message, { details: { problems } });
  }
}

async function loadAdded(
  { cluster, safeMode }: ReloadParts,
  ids: readonly string[],
): Promise<Pick<ConfigReload, "loading" | "not_loaded">> {
  const loading: string[] = [];
  const not_loaded: ConfigReload["not_loaded"] = [];
  for (const model_id of ids) {
    if (safeMode() !== null) {
      not_loaded.push({ model_id, reason: "the service is in safe mode" });
      continue;
    }
    try {
      await cluster.startLoad(model_id);
      loading.push(model_id);
    } catch (error) {
      not_loaded.push({ model_id, reason: (error as Error).message });
    }
  }
  return { loading, not_loaded };
}
