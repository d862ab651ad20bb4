import type { Logger } from "pino";
import { EXIT_CODES } from "../cli/exit-codes.ts";
import { printableLines } from "../cli/printable.ts";
import type { ConfigFlags } from "../config/config-sources.ts";
import { type LoadedConfig, loadConfig } from "../config/load-config.ts";
import { closeInherited } from "../host/close-inherited.ts";
import { humanAccounts } from "../host/human-accounts.ts";
import { LockHeldError } from "../host/lock-file.ts";
import { packageFiles } from "../host/package-files.ts";
import { type StartEnvironment, takeSecrets } from "../host/take-secrets.ts";
import { openDoors } from "../policy/service/open-doors.ts";
import { RuntimeBuildError } from "../runtime/runtime-build-error.ts";
import { showRuntimeProgress } from "../runtime/show-runtime-progress.ts";
import { openServiceLog } from "./service-log.ts";
import { StopSignals } from "./stop-signals.ts";
import { type Supervisor, startSupervisor } from "./supervisor.ts";

/**
 * Runs the service until a signal ends it, and says on stdout where it listens and how to try it.
 *
 * @returns exit code: 0 after an orderly stop, one of sysexits.h when it could not start
 * @throws ConfigError
 */
export async function serve(flags: ConfigFlags): Promise<number> {
  closeInherited();
  // What the service and its workers write is nobody else's to change, whatever the umask of the shell was.
  process.umask(process.umask(0o022) | 0o022);
  const environment = takeSecrets(process.env);
  const readConfig = () => loadConfig({ flags, env: environment.whole });
  const loaded = readConfig();
  const { log, close } = openServiceLog(loaded);
  keepRunning(log);
  // Node ends after it all the same; the log's last lines are written at the exit.
  process.on("uncaughtExceptionMonitor", (error) => log.fatal({ err: error }, "a bug: the service ends"));
  try {
    return await serveUntilStopped({ loaded, readConfig, log, environment });
  } finally {
    await close();
  }
}

/** What nobody waited for must not end the API: a promise that failed in the background, a terminal that was closed. */
function keepRunning(log: Logger): void {
  process.on("unhandledRejection", (error) =>
    log.error({ err: error }, "a bug: nobody handled this; the service goes on"),
  );
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}

interface Start {
  readonly loaded: LoadedConfig;
  readonly readConfig: () => LoadedConfig;
  readonly log: Logger;
  readonly environment: StartEnvironment;
}

async function serveUntilStopped({ loaded, readConfig, log, environment }: Start): Promise<number> {
  const signals = new StopSignals();
  let running: Supervisor | null = null;
  let isReloadAsked = false;
  // From the first moment on: it would end a process that does not listen for it.
  process.on("SIGUSR2", () => {
    if (running === null) isReloadAsked = true;
    else void running.reloadConfig();
  });
  let supervisor: Supervisor;
  try {
    supervisor = await startSupervisor({
      loaded,
      readConfig,
      log,
      environmentSecrets: environment.secrets,
      onRuntimeProgress: showRuntimeProgress(process.stderr),
      signal: signals.stopped,
    });
  } catch (error) {
    return explain(error);
  }
  running = supervisor;
  log.info({ pid: process.pid, url: supervisor.url, version: packageFiles().version }, "service started");
  if (isReloadAsked) void supervisor.reloadConfig();
  say(`Opta-LMX answers at ${supervisor.url}`);
  void warnOfOpenDoors(loaded, log);
  const failed = supervisor.started.then(
    () => new Promise<never>(() => {}),
    (error: unknown) => error,
  );
  void announceModels(supervisor, loaded);
  const outcome = await Promise.race([signals.first, failed]);
  signals.onHurry(() => void supervisor.abandon());
  log.info(typeof outcome === "string" ? { signal: outcome } : { err: outcome }, "service stops");
  if (typeof outcome === "string") say(`${outcome}: finishing what runs; once more to hurry`);
  await supervisor.stop();
  log.info("service stopped");
  return typeof outcome === "string" ? EXIT_CODES.ok.code : explain(outcome);
}

/** Other people of this machine reach the port too. */
async function warnOfOpenDoors({ config, paths }: LoadedConfig, log: Logger): Promise<void> {
  const open = openDoors(config, await humanAccounts(), paths.configFile);
  if (open !== null) log.warn(`${open.who}. ${open.nextStep}`);
}

/** Tells about every model of `auto_load` once it serves, with a line that can be pasted. */
async function announceModels(supervisor: Supervisor, { config }: LoadedConfig): Promise<void> {
  const started = await supervisor.started.catch(() => null);
  if (started === null) return;
  if (started.loadsNothing !== null) {
    say(started.loadsNothing);
    return;
  }
  for (const id of started.unknownModels)
    say(`auto_load names ${id}, which is not on disk; "lmx models" lists the models`);
  for (const id of config.auto_load.filter((name) => !started.unknownModels.includes(name))) {
    supervisor.cluster.outcome(id).then(
      ({ model_id }) =>
        say(`${model_id} is routable. Try it:\n\n  ${curlLine(supervisor.url, model_id, config)}\n`),
      (error: Error) => say(error.message),
    );
  }
}

function curlLine(url: string, model: string, { api_keys }: LoadedConfig["config"]): string {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "ping" }], temperature: 0 });
  const key = api_keys.length > 0 ? " -H 'authorization: Bearer YOUR_KEY'" : "";
  return `curl -s ${url}/v1/chat/completions -H 'content-type: application/json'${key} -d '${body}'`;
}

/** Prints why the service cannot run and what to do about it. */
function explain(error: unknown): number {
  if (error instanceof RuntimeBuildError) {
    if (error.kind === "aborted") return EXIT_CODES.ok.code;
    complain(`${error.message}\n${error.nextStep}`);
    return EXIT_CODES.unavailable.code;
  }
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const known = error instanceof LockHeldError || code !== undefined;
  complain(known ? (error as Error).message : ((error as Error).stack ?? String(error)));
  if (!known) return EXIT_CODES.software.code;
  return error instanceof LockHeldError || code === "EADDRINUSE"
    ? EXIT_CODES.temporary.code
    : EXIT_CODES.unavailable.code;
}

function say(text: string): void {
  process.stdout.write(`${printableLines(text)}\n`);
}

function complain(text: string): void {
  process.stderr.write(`lmx: ${printableLines(text)}\n`);
}
