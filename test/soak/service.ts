import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { stringify } from "yaml";
import type { Status } from "../../shared/admin.ts";
import { loadConfig } from "../../supervisor/config/load-config.ts";
import { packageFiles } from "../../supervisor/host/package-files.ts";
import { ensureRuntime } from "../../supervisor/runtime/ensure-runtime.ts";
import { showRuntimeProgress } from "../../supervisor/runtime/show-runtime-progress.ts";
import { debuggerUrlIn, INSPECTABLE, ProcessInspector } from "../support/process-inspector.ts";
import { isAlive, stateDirectory } from "../support/running-supervisor.ts";
import type { AttachArguments } from "./arguments.ts";
import { HttpClient } from "./http-client.ts";
import { LogReader } from "./log-reader.ts";
import { soakConfig } from "./soak-config.ts";
import { BYSTANDER, victimIds, writeModels } from "./soak-models.ts";

const LMX = join(import.meta.dirname, "../../bin/lmx.js");
/** The shipped worker, with habits; see its docstring. */
const WORKER_DIRECTORY = join(import.meta.dirname, "worker");
const STOP_MS = 60_000;

/** The supervisor under test. */
export interface SoakService {
  readonly client: HttpClient;
  readonly pid: number;
  readonly bystander: string;
  readonly victims: readonly string[];
  /** Its processes are on this machine. */
  readonly isLocal: boolean;
  /** What only a service of our own shows; null: it was there before us. */
  readonly own: OwnService | null;
}

/** Nothing can be soaked: the service is not there, lets nobody in, or does not serve its models. */
export class ServiceError extends Error {}

/**
 * The service attached to: for the faults that need only HTTP, and signals when it runs here.
 * @throws ServiceError
 */
export async function attachTo(attach: AttachArguments): Promise<SoakService> {
  const client = new HttpClient(attach);
  const { pid, state_directory } = await client.get<Status>("/admin/status").catch((error: Error) => {
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    throw new ServiceError(`${attach.url} cannot be soaked: ${why}`);
  });
  const { data } = await client.get<{ data: { id: string }[] }>("/admin/models");
  const unknown = [attach.bystander, ...attach.victims].filter((id) => !data.some((one) => one.id === id));
  if (unknown.length > 0)
    throw new ServiceError(
      `${attach.url} has no model ${unknown.join(" and ")}; it has ${data.map(({ id }) => id).join(", ")}`,
    );
  const isLocal = existsSync(state_directory) && isAlive(pid);
  return { client, pid, isLocal, bystander: attach.bystander, victims: attach.victims, own: null };
}

/** Starts a service with a bystander and victims of its own. */
export async function startService(victimCount: number): Promise<SoakService> {
  const { workerDirectory, requirementsLock } = packageFiles();
  const { runtimesDirectory } = loadConfig().paths;
  const onProgress = showRuntimeProgress(process.stderr);
  const { python } = await ensureRuntime({ runtimesDirectory, lockFile: requirementsLock, onProgress });
  const victims = victimIds(victimCount);
  const config = stringify(soakConfig([BYSTANDER, ...victims]));
  const home = stateDirectory({ config });
  const workshop = await writeModels(python, workerDirectory, home, victims);
  rmSync(workshop, { recursive: true, force: true });
  const own = new OwnService(home, runtimesDirectory);
  const client = new HttpClient({ url: await own.url(), adminKey: null, apiKey: null });
  return { client, pid: own.pid, isLocal: true, bystander: BYSTANDER, victims, own };
}

/** A service as a user starts it, in a state directory of its own. */
export class OwnService {
  readonly home: string;
  readonly log = new LogReader();
  readonly #child: ChildProcess;
  readonly #url = Promise.withResolvers<string>();
  readonly #debugger = Promise.withResolvers<string>();
  /** How it ended; null while it runs. */
  exit: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | null = null;

  constructor(home: string, runtimesDirectory: string) {
    this.home = home;
    const env = {
      ...process.env,
      HOME: home,
      HF_HUB_CACHE: join(home, "no-cache"),
      OPTA_LMX_HOME: home,
      OPTA_LMX_RUNTIMES: runtimesDirectory,
      OPTA_LMX_WORKER_DIRECTORY: WORKER_DIRECTORY,
      NODE_OPTIONS: INSPECTABLE,
    };
    this.#child = spawn(LMX, ["serve", "--port", "0"], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.once("exit", (code, signal) => {
      this.exit = { code, signal };
      const ended = new Error(`lmx serve ended with ${signal ?? code}:\n${this.log.tail()}`);
      for (const awaited of [this.#url, this.#debugger]) awaited.reject(ended);
    });
    for (const { promise } of [this.#url, this.#debugger]) promise.catch(() => {});
    this.#readOutput();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Where it answers. @throws Error when it ended before it did */
  async url(): Promise<string> {
    return await this.#url.promise;
  }

  /** Bytes it holds once all that nobody needs has been collected. @throws Error when it has ended */
  async heldBytes(): Promise<number> {
    this.#child.kill("SIGUSR1");
    const inspector = await ProcessInspector.connect(await this.#debugger.promise);
    try {
      return await inspector.heldBytes();
    } finally {
      inspector.close();
    }
  }

  /** Asks it to stop, as a terminal would. Resolves with how it ended; null: it had to be killed. */
  async stop(): Promise<OwnService["exit"]> {
    if (this.exit === null) {
      const exited = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      const isInTime = await Promise.race([exited.then(() => true), wait(STOP_MS, false, { ref: false })]);
      if (!isInTime) {
        this.#child.kill("SIGKILL");
        await exited;
        return null;
      }
    }
    return this.exit;
  }

  /** Ends it if it still runs, whatever state it is in. */
  kill(): void {
    if (this.exit === null) this.#child.kill("SIGKILL");
  }

  /** What it will read at the next reload. */
  writeConfig(config: Record<string, unknown>): void {
    writeFileSync(join(this.home, "config.yaml"), stringify(config));
  }

  removeState(): void {
    rmSync(this.home, { recursive: true, force: true });
  }

  #readOutput(): void {
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error("expected pipes");
    createInterface(stdout).on("line", (line) => {
      const url = /answers at (\S+)/.exec(line)?.[1];
      if (url !== undefined) this.#url.resolve(url);
    });
    createInterface(stderr).on("line", (line) => {
      const url = debuggerUrlIn(line);
      if (url !== undefined) this.#debugger.resolve(url);
      this.log.read(line);
    });
  }
}
