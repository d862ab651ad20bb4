import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChaosService } from "../chaos/chaos-service.ts";
import { Random } from "../soak/random.ts";

/** What an operator's script does; all but the last two leave a row in the audit trail. */
export type Action = "load" | "unload" | "restart" | "quarantine" | "release" | "reload" | "kill" | "chat";

const CHOICES: readonly (readonly [weight: number, action: Action])[] = [
  [6, "load"],
  [3, "unload"],
  [3, "restart"],
  [1, "quarantine"],
  [5, "release"],
  [2, "reload"],
  [2, "kill"],
  [3, "chat"],
];

/** Longer than a whole load with everything before it in the queue. Milliseconds. */
const ANSWERED_WITHIN_MS = 120_000;

/** One call and how it was answered. */
export interface Call {
  readonly script: number;
  readonly action: Exclude<Action, "kill">;
  /** Stands in the audit trail; of no other call. */
  readonly reason: string;
  readonly status: number;
  /** Code of the error; null: there was none. */
  readonly error: string | null;
}

/** A seeded script that works on one model, with an admin key of its own. */
export class OperatorScript {
  readonly #chaos: ChaosService;
  readonly #modelId: string;
  readonly #number: number;
  readonly #config: Readonly<Record<string, unknown>>;
  readonly #random: Random;
  readonly #headers: Readonly<Record<string, string>>;
  #calls = 0;

  /** @param config of the service, which its reloads write anew */
  constructor(
    chaos: ChaosService,
    modelId: string,
    config: Readonly<Record<string, unknown>>,
    { seed, number }: { readonly seed: number; readonly number: number },
  ) {
    this.#chaos = chaos;
    this.#modelId = modelId;
    this.#config = config;
    this.#number = number;
    this.#random = new Random(seed, "operator", number);
    this.#headers = { "content-type": "application/json", "x-admin-key": `key of script ${number}` };
  }

  /** As the audit trail shows it. */
  get key(): string {
    return createHash("sha256").update(`key of script ${this.#number}`).digest("hex").slice(0, 8);
  }

  /** The next few actions, one after the other. @param onKill is told of every worker it kills */
  async perform(onKill: (pid: number) => void): Promise<Call[]> {
    const calls: Call[] = [];
    for (let left = this.#random.between(2, 5); left > 0; left -= 1) {
      const action = this.#random.weighted(CHOICES);
      if (action === "kill") await this.#kill(onKill);
      else calls.push(await this.#call(action));
    }
    return calls;
  }

  async #call(action: Call["action"]): Promise<Call> {
    this.#calls += 1;
    const reason = `script ${this.#number}, call ${this.#calls}: ${action}`;
    const call = { script: this.#number, action, reason };
    if (action === "chat") {
      const { status, error } = await this.#chaos.ask(this.#modelId, reason, { max_tokens: 16 });
      return { ...call, status, error };
    }
    if (action === "reload") this.#writeConfig();
    const path = action === "reload" ? "/admin/config/reload" : `/admin/models/${action}`;
    const body = action === "reload" ? {} : { model_id: this.#modelId, reason };
    const signal = AbortSignal.timeout(ANSWERED_WITHIN_MS);
    const response = await this.#chaos.lmx.post(path, body, { headers: this.#headers, signal });
    const { error } = (await response.json()) as { error?: { code: string } };
    return { ...call, status: response.status, error: error?.code ?? null };
  }

  /** A value that disturbs nobody is another one each time. */
  #writeConfig(): void {
    const file = join(this.#chaos.home, "config.yaml");
    const own = `${file}.${this.#number}`;
    writeFileSync(own, JSON.stringify({ ...this.#config, idle_seconds: this.#random.between(3_600, 7_200) }));
    renameSync(own, file);
  }

  async #kill(onKill: (pid: number) => void): Promise<void> {
    const pid = (await this.#chaos.lmx.model(this.#modelId)).worker?.pid;
    if (pid === undefined) return;
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has gone by itself.
      return;
    }
    onKill(pid);
  }
}
