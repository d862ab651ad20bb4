import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ModelDetail } from "../../shared/admin.ts";

const ROOT = join(import.meta.dirname, "../..");
const LMX = join(ROOT, "bin/lmx.js");

export interface StartOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Text of config.yaml. */
  readonly config?: string;
  /** Model directories by id `<org>/<name>`, copied into the state directory. */
  readonly models?: Readonly<Record<string, string>>;
  /** Files and connections it may have open, as by `ulimit -n`. */
  readonly descriptors?: number;
  /** Use this state directory instead of a new one. */
  readonly home?: string;
  /** What the shell does, as `exec 9<file; `, in the process that then becomes the supervisor. */
  readonly before?: string;
}

/** A new state directory with a configuration and models in it. */
export function stateDirectory({ config, models = {} }: Pick<StartOptions, "config" | "models">): string {
  const home = mkdtempSync(join(tmpdir(), "lmx-test-"));
  if (config !== undefined) writeFileSync(join(home, "config.yaml"), config);
  for (const [id, directory] of Object.entries(models)) {
    const link = join(home, "models", id);
    mkdirSync(dirname(link), { recursive: true });
    cpSync(directory, link, { recursive: true });
  }
  return home;
}

/** The real bin, run as a user runs it. */
export class RunningSupervisor {
  readonly home: string;
  readonly process: ChildProcess;
  /** Exit code and signal; never rejects. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  output = "";
  url = "";

  private constructor(home: string, child: ChildProcess) {
    this.home = home;
    this.process = child;
    this.exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
    for (const pipe of [child.stdout, child.stderr])
      pipe?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
  }

  /** Starts `lmx serve` on a free port without waiting for anything. */
  static spawn(options: StartOptions = {}): RunningSupervisor {
    const home = options.home ?? stateDirectory(options);
    // Not the models of whoever runs the tests.
    const elsewhere = { HOME: home, HF_HUB_CACHE: join(home, "no-cache") };
    const env = { ...process.env, ...elsewhere, OPTA_LMX_HOME: home, ...options.env };
    const limit = options.descriptors === undefined ? "" : `ulimit -n ${options.descriptors}; `;
    const script = `${limit}${options.before ?? ""}exec "$@"`;
    const command = [LMX, "serve", "--port", "0", ...(options.args ?? [])];
    const child = spawn("bash", ["-c", script, "bash", ...command], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new RunningSupervisor(home, child);
  }

  /** Starts it and waits until it listens; the named models are then routable. */
  static async start(
    options: StartOptions & { readonly routable?: readonly string[] } = {},
  ): Promise<RunningSupervisor> {
    const supervisor = RunningSupervisor.spawn(options);
    await supervisor.outputShows(/answers at (\S+)/);
    supervisor.url = /answers at (\S+)/.exec(supervisor.output)?.[1] ?? "";
    for (const id of options.routable ?? ["lmx-demo"]) await supervisor.becomes(id, "routable");
    return supervisor;
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  async outputShows(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.output)) {
      if (this.process.exitCode !== null) throw new Error(`lmx serve ended early:\n${this.output}`);
      await Promise.race([
        this.exited,
        ...[this.process.stdout, this.process.stderr].map((pipe) => pipe && once(pipe, "data")),
      ]);
    }
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, init);
  }

  post(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
    return this.fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...init,
    });
  }

  chat(
    model: string,
    content: string,
    extra: Record<string, unknown> = {},
    init: RequestInit = {},
  ): Promise<Response> {
    return this.post(
      "/v1/chat/completions",
      { model, messages: [{ role: "user", content }], temperature: 0, ...extra },
      init,
    );
  }

  async model(id: string): Promise<ModelDetail> {
    const list = (await (await this.fetch("/admin/models")).json()) as { data: ModelDetail[] };
    const found = list.data.find((model) => model.id === id);
    if (found === undefined)
      throw new Error(`no model ${id} in ${JSON.stringify(list.data.map((model) => model.id))}`);
    return found;
  }

  /** Polls until the model is in the state, with another worker than `otherThanPid` if given. */
  async becomes(id: string, state: string, otherThanPid?: number): Promise<ModelDetail> {
    for (;;) {
      const model = await this.model(id);
      if (
        model.readiness.state === state &&
        (otherThanPid === undefined || model.worker?.pid !== otherThanPid)
      )
        return model;
      if (this.process.exitCode !== null) throw new Error(`lmx serve ended:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The CLI against this supervisor. */
  async lmx(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    const env = { ...process.env, OPTA_LMX_HOME: this.home, OPTA_LMX_URL: this.url };
    return await promisify(execFile)(process.execPath, [LMX, ...args], { env });
  }

  /** Ends it with a signal and waits. */
  async stop(
    signal: NodeJS.Signals = "SIGTERM",
  ): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    if (this.process.exitCode === null) this.process.kill(signal);
    return await this.exited;
  }

  /** Kills it if it still runs, and removes its state. */
  async dispose(): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Is there a process of this id? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Resolves when the process is gone; rejects after `withinMs`. */
export async function isGone(pid: number, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (isAlive(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} still runs after ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
