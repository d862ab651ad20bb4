import type {
  LoadResult,
  ModelActionResult,
  ModelDetail,
  ProbeResult,
  UnloadResult,
} from "../../shared/admin.ts";
import { type ModelSettings, modelSettingsSchema } from "../../shared/config.ts";
import { LmxError } from "../../shared/errors.ts";
import type { GenerationEvent, GenerationRequest, Prompt } from "../../shared/generation.ts";
import type { Readiness, ReadinessState } from "../../shared/readiness.ts";
import type { Cluster, LoadOptions } from "../../supervisor/cluster/cluster.ts";
import type { RequestOrigin } from "../../supervisor/cluster/model/request-slots.ts";
import type { Generation } from "../../supervisor/cluster/requests/generation.ts";
import type { AuditContext } from "../../supervisor/telemetry/audit-context.ts";
import type { EncodedRequest } from "../../supervisor/workers/encoded-request.ts";

export const USAGE = { prompt_tokens: 3, completion_tokens: 2, cached_tokens: 1, reasoning_tokens: 0 };
export const FINISH: GenerationEvent = { type: "finish", reason: "stop", usage: USAGE };
/** What a prompt of token ids reads as. */
export const PROMPT_TEXT = "ping ";
export const PONG: readonly GenerationEvent[] = [
  { type: "text", text: "po" },
  { type: "text", text: "ng" },
  FINISH,
];

type Next = IteratorResult<GenerationEvent>;

/** A generation a test steers: what is pushed is what the reader gets, and leaving early is recorded. */
export class FakeGeneration implements AsyncIterable<GenerationEvent>, AsyncIterator<GenerationEvent> {
  /** Resolves with the time when the reader lets go, after the end too. */
  readonly released: Promise<number>;
  readonly #release: (at: number) => void;
  #waiting: PromiseWithResolvers<Next> | null = null;
  readonly #queue: (GenerationEvent | Error)[] = [];
  #finished = false;
  /** Events asked for so far. */
  asked = 0;

  constructor(events: readonly GenerationEvent[] = []) {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.released = promise;
    this.#release = resolve;
    this.#queue.push(...events);
  }

  push(...events: (GenerationEvent | Error)[]): void {
    this.#queue.push(...events);
    this.#deliver();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Next> {
    this.asked++;
    if (this.#finished) return Promise.resolve({ done: true, value: undefined });
    this.#waiting = Promise.withResolvers<Next>();
    const { promise } = this.#waiting;
    this.#deliver();
    return promise;
  }

  async return(): Promise<Next> {
    this.#release(performance.now());
    this.#waiting?.resolve({ done: true, value: undefined });
    return { done: true, value: undefined };
  }

  #deliver(): void {
    const event = this.#waiting === null ? undefined : this.#queue.shift();
    if (event === undefined) return;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (event instanceof Error) waiting?.reject(event);
    else waiting?.resolve({ done: false, value: event });
    this.#finished = event instanceof Error || event.type === "finish";
  }
}

export interface GenerateCall {
  readonly id: string;
  readonly request: GenerationRequest;
  readonly signal: AbortSignal;
  readonly requestId: string | undefined;
  readonly owner: string | undefined;
}

export interface ActionCall {
  readonly action: "restart" | "quarantine" | "release";
  readonly id: string;
  readonly word: AuditContext;
}

const STATE_AFTER = {
  restart: "routable",
  quarantine: "quarantined",
  release: "admitted",
} as const satisfies Record<ActionCall["action"], ReadinessState>;

/** Records what the HTTP layer asks for and answers from a script; no model, no process. */
export class FakeCluster implements Cluster {
  readonly generateCalls: GenerateCall[] = [];
  readonly loadCalls: string[] = [];
  /** Options of the loads, in the order of `loadCalls`. */
  readonly loadOptions: LoadOptions[] = [];
  readonly probeCalls: { readonly id: string; readonly allowUnsupportedRuntime?: boolean }[] = [];
  readonly unloadCalls: string[] = [];
  readonly actionCalls: ActionCall[] = [];
  readonly details = new Map<string, ModelDetail>();
  /** Other names of models: alias to id. */
  readonly aliases = new Map<string, string>();
  /** Whether others wait for what the next generations hold. */
  isWaitedFor = false;
  modelSettings: ModelSettings = modelSettingsSchema.parse({});
  /** What the next generations give. */
  onGenerate: (
    call: GenerateCall,
  ) => AsyncIterable<GenerationEvent> | Promise<AsyncIterable<GenerationEvent>> = () =>
    new FakeGeneration(PONG);
  onLoad: (id: string) => Promise<LoadResult> = async (id) => ({
    model_id: id,
    readiness: this.model(id).readiness,
    load_seconds: 1.5,
    memory_bytes: 1024,
    checks: [],
  });
  onProbe: (id: string) => Promise<ProbeResult> = async (id) => ({
    model_id: this.model(id).id,
    verdict: "admit",
    code: null,
    checks: [
      { name: "config", status: "pass", detail: "found and readable", expected: null, next_step: null },
    ],
    memory: { weights_bytes: 10, kv_bytes_per_token: 2, required_bytes: 100, available_bytes: 1000 },
  });
  /** How the operator verbs end. */
  onAction: (call: ActionCall) => Promise<ModelActionResult> = async ({ action, id }) => ({
    model_id: id,
    readiness: { ...this.model(id).readiness, state: STATE_AFTER[action] },
  });

  constructor(...models: ModelDetail[]) {
    for (const model of models.length > 0 ? models : [fakeModel("demo")]) this.details.set(model.id, model);
  }

  models(): ModelDetail[] {
    return [...this.details.values()];
  }

  listModels() {
    return Promise.resolve(this.models());
  }

  model(id: string): ModelDetail {
    const detail = this.details.get(this.aliases.get(id) ?? id);
    if (detail === undefined)
      throw new LmxError("model_not_found", `No model ${id}; did you mean demo?`, { param: "model" });
    return detail;
  }

  async settings(id: string): Promise<ModelSettings> {
    this.model(id);
    return this.modelSettings;
  }

  async generate(
    id: string,
    { prompt, ...options }: EncodedRequest,
    signal: AbortSignal,
    { requestId, owner }: RequestOrigin = {},
  ): Promise<Generation> {
    const request = { ...options, prompt: JSON.parse(new TextDecoder().decode(prompt.bytes)) as Prompt };
    const call = { id, request, signal, requestId, owner };
    this.generateCalls.push(call);
    const { id: model } = this.model(id);
    const promptText = request.return_prompt === true ? PROMPT_TEXT : null;
    const othersWait = () => this.isWaitedFor;
    return {
      model,
      promptTokens: USAGE.prompt_tokens,
      promptText,
      othersWait,
      events: await this.onGenerate(call),
    };
  }

  async load(id: string, options: LoadOptions = {}): Promise<LoadResult> {
    this.loadCalls.push(id);
    this.loadOptions.push(options);
    return this.onLoad(id);
  }

  async startLoad(id: string, options: LoadOptions = {}): Promise<ModelDetail> {
    this.loadCalls.push(id);
    this.loadOptions.push(options);
    return this.model(id);
  }

  async probe(id: string, options: { allowUnsupportedRuntime?: boolean } = {}): Promise<ProbeResult> {
    this.probeCalls.push({ id, ...options });
    return this.onProbe(id);
  }

  async unload(id: string): Promise<UnloadResult> {
    this.unloadCalls.push(id);
    return { model_id: id, readiness: { ...this.model(id).readiness, state: "unloaded" } };
  }

  restart(id: string, word: AuditContext): Promise<ModelActionResult> {
    return this.#act({ action: "restart", id, word });
  }

  quarantine(id: string, word: AuditContext): Promise<ModelActionResult> {
    return this.#act({ action: "quarantine", id, word });
  }

  release(id: string, word: AuditContext): Promise<ModelActionResult> {
    return this.#act({ action: "release", id, word });
  }

  #act(call: ActionCall): Promise<ModelActionResult> {
    this.actionCalls.push(call);
    return this.onAction(call);
  }
}

export function fakeModel(id: string, readiness: Partial<Readiness> = {}): ModelDetail {
  return {
    id,
    path: `/models/${id}`,
    model_type: "llama",
    digest: "abc",
    size_bytes: 2048,
    loaded: true,
    context_length: 512,
    capabilities: { completion: true, chat: true, tools: true, reasoning: false, fill: false },
    readiness: {
      state: "routable",
      detail: null,
      since: "2026-01-02T03:04:05.000Z",
      reason: null,
      failures: 0,
      next_attempt_at: null,
      quarantine: null,
      ...readiness,
    },
    worker: null,
  };
}
