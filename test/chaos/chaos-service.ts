import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ModelDetail } from "../../shared/admin.ts";
import { RunningSupervisor, stateDirectory } from "../support/running-supervisor.ts";
import { readChatStream } from "../support/sse.ts";
import { tinyModels } from "../support/tiny-models.ts";
import { type ChaosConfig, chaosConfig } from "./chaos-config.ts";
import { waitUntil } from "./wait-until.ts";

const FIXTURE_WORKERS = join(import.meta.dirname, "../fixtures/workers/chaos");
const LIFELINE = join(import.meta.dirname, "../../worker/lmx_worker/lifeline.py");

export const BYSTANDER = "chaos/bystander";

/** A bad habit of a fixture worker and its options; see test/fixtures/workers/chaos. */
export interface Habit {
  readonly habit: string;
  readonly [option: string]: unknown;
}

/** How one request ended, as its client saw it. */
export interface Answer {
  readonly status: number;
  /** The code of the error, before the answer or within it. */
  readonly error: string | null;
  readonly message: string;
  readonly text: string;
  readonly finish: string | null;
  /** The header `x-should-retry`. */
  readonly shouldRetry: string | null;
}

/** The supervisor's line about a worker that failed. */
export interface FailureLine {
  readonly model: string;
  readonly class: string;
  readonly cause: string;
  readonly code: string;
  readonly message: string;
}

export interface ChaosOptions {
  /** `real`: the shipped worker; `fixture`: test/fixtures/workers/chaos, sound where no habit is named. */
  readonly workers: "real" | "fixture";
  readonly config?: ChaosConfig;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Files it may open; as many as this process when not given. */
  readonly descriptors?: number;
  /** Go on in this state directory. */
  readonly home?: string;
  /** False: do not wait for the bystander; true when not given. */
  readonly waits?: boolean;
}

/** A real service with a bystander model, and models that may fail in it. */
export class ChaosService {
  readonly lmx: RunningSupervisor;
  readonly workers: ChaosOptions["workers"];
  /** This service's own copy of the fixture package. */
  readonly fixtures: string;
  #openRequests = 0;

  private constructor(lmx: RunningSupervisor, workers: ChaosOptions["workers"], fixtures: string) {
    this.lmx = lmx;
    this.workers = workers;
    this.fixtures = fixtures;
  }

  static async start(options: ChaosOptions): Promise<ChaosService> {
    const service = await ChaosService.spawn(options);
    await service.lmx.outputShows(/answers at (\S+)/);
    service.lmx.url = /answers at (\S+)/.exec(service.lmx.output)?.[1] ?? "";
    if (options.waits ?? true) await service.lmx.becomes(BYSTANDER, "routable");
    return service;
  }

  /** Starts the process and waits for nothing. */
  static async spawn({
    workers,
    config = {},
    env = {},
    args = [],
    descriptors,
    home,
  }: ChaosOptions): Promise<ChaosService> {
    const text = JSON.stringify(chaosConfig(workers, { auto_load: [BYSTANDER], ...config }));
    const directory = home ?? stateDirectory({ config: text, models: { [BYSTANDER]: tinyModels().endless } });
    if (home !== undefined) writeFileSync(join(home, "config.yaml"), text);
    const fixtures = await mkdtemp(join(tmpdir(), "lmx-chaos-"));
    cpSync(FIXTURE_WORKERS, fixtures, { recursive: true });
    // What ends a worker without its supervisor is the shipped worker's.
    cpSync(LIFELINE, join(fixtures, "lmx_worker/lifeline.py"));
    const chosen: Record<string, string> =
      workers === "fixture" ? { OPTA_LMX_WORKER_DIRECTORY: fixtures } : {};
    const lmx = RunningSupervisor.spawn({
      home: directory,
      args,
      env: { ...chosen, ...env },
      ...(descriptors !== undefined && { descriptors }),
    });
    return new ChaosService(lmx, workers, fixtures);
  }

  get home(): string {
    return this.lmx.home;
  }

  get openRequests(): number {
    return this.#openRequests;
  }

  /** Puts a model on disk, with a habit if one is given. */
  addModel(id: string, habit?: Habit): string {
    const directory = join(this.home, "models", id);
    mkdirSync(dirname(directory), { recursive: true });
    cpSync(tinyModels().endless, directory, { recursive: true });
    if (habit !== undefined) this.setHabit(id, habit);
    return id;
  }

  /** The next worker of the model has this habit; null: none. The file is of a kind that is no part of a model's digest. */
  setHabit(id: string, habit: Habit | null): void {
    const file = join(this.home, "models", id, "habit.txt");
    if (habit === null) rmSync(file, { force: true });
    else writeFileSync(file, JSON.stringify(habit));
  }

  /** Every worker that starts from now on has this habit; null: none. */
  setStartupHabit(habit: Habit | null): void {
    const file = join(this.fixtures, "lmx_worker", "startup.json");
    if (habit === null) rmSync(file, { force: true });
    else writeFileSync(file, JSON.stringify(habit));
  }

  /** A model with a habit, loaded. */
  async loaded(id: string, habit?: Habit): Promise<string> {
    this.addModel(id, habit);
    const answer = await this.load(id);
    if (answer.status !== 200) throw new Error(`${id} was not loaded: ${JSON.stringify(answer.body)}`);
    return id;
  }

  async load(id: string, more: Record<string, unknown> = {}): Promise<{ status: number; body: LoadReply }> {
    return await this.admin("/admin/models/load", { model_id: id, ...more });
  }

  async admin(path: string, body: Record<string, unknown>): Promise<{ status: number; body: LoadReply }> {
    const response = await this.lmx.post(path, body);
    return { status: response.status, body: (await response.json()) as LoadReply };
  }

  /** Waits until the service has seen the model on the disk. */
  async model(id: string): Promise<ModelDetail> {
    return await waitUntil(`${id} is known`, () => this.lmx.model(id).catch(() => null), 10_000);
  }

  async pid(id: string): Promise<number> {
    return (await this.model(id)).worker?.pid ?? 0;
  }

  /** Streams a chat and sees to it that it ends exactly once. `onText` hears the text so far. */
  ask(
    id: string,
    prompt: string,
    extra: Record<string, unknown> = {},
    onText: (text: string) => void = () => {},
  ): Promise<Answer> {
    const answer = this.#ask(id, prompt, extra, onText);
    // A row that has failed already waits for no answer.
    answer.catch(() => {});
    return answer;
  }

  /** What the log says about failures of a model, oldest first. */
  failures(id: string): FailureLine[] {
    return this.logLines().filter(
      (line) => line.model === id && typeof line.class === "string",
    ) as unknown as FailureLine[];
  }

  /** The JSON lines of the log. */
  logLines(): Record<string, unknown>[] {
    return this.lmx.output
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line));
  }

  /** Workers started so far, by the log. */
  get workersStarted(): number {
    return this.logLines().filter(({ msg }) => msg === "worker started").length;
  }

  async readyz(): Promise<{ status: number; reason: string | null }> {
    const response = await this.lmx.fetch("/readyz");
    const { reason = null } = (await response.json()) as { reason?: string };
    return { status: response.status, reason };
  }

  async #ask(
    id: string,
    prompt: string,
    extra: Record<string, unknown>,
    onText: (text: string) => void,
  ): Promise<Answer> {
    this.#openRequests += 1;
    try {
      const response = await this.lmx.chat(id, prompt, { stream: true, max_tokens: 64, ...extra });
      return await readAnswer(response, onText);
    } finally {
      this.#openRequests -= 1;
    }
  }

  /** Ends it as a crash would, and leaves its state directory. */
  async killHard(): Promise<void> {
    await this.lmx.stop("SIGKILL");
    rmSync(this.fixtures, { recursive: true, force: true });
  }

  async dispose(): Promise<void> {
    await this.lmx.dispose();
    rmSync(this.fixtures, { recursive: true, force: true });
  }
}

export interface LoadReply {
  readonly error?: { readonly code: string; readonly message: string; readonly details?: unknown };
  readonly readiness?: ModelDetail["readiness"];
  readonly [key: string]: unknown;
}

/** Reads an answer to its end and sees to it that it has one. */
export async function readAnswer(
  response: Response,
  onText: (text: string) => void = () => {},
): Promise<Answer> {
  const common = { status: response.status, shouldRetry: response.headers.get("x-should-retry") };
  if (response.status !== 200) {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    return { ...common, error: error.code, message: error.message, text: "", finish: null };
  }
  const { text, finishReasons, errors, done } = await readChatStream(response, onText);
  const ends = finishReasons.length + errors.length;
  if (ends !== 1 || !done) throw new Error(`a stream ended ${ends} times, with terminator: ${done}`);
  return { ...common, error: errors[0] ?? null, message: "", text, finish: finishReasons[0] ?? null };
}
