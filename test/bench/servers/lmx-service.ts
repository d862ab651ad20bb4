import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { ModelDetail, ProbeResult } from "../../../shared/admin.ts";
import type { Child, Children } from "./children.ts";
import { freePort } from "./free-port.ts";
import type { BenchPlaces } from "./places.ts";

const LMX = join(import.meta.dirname, "../../../bin/lmx.js");
const LOOK_AGAIN_MS = 5;

export interface ServiceOptions {
  /** Loaded at start; default: the benchmarks' model. */
  readonly models?: readonly string[];
  /** Where models are found; default: where the benchmarks' model is. */
  readonly modelRoot?: string;
}

/** Our service as a user starts it, with a state directory of its own. */
export class LmxService {
  readonly url: string;
  readonly port: number;
  readonly #start: () => Child;
  readonly #home: string;
  #child: Child;

  private constructor(start: () => Child, port: number, home: string) {
    this.#start = start;
    this.#child = start();
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#home = home;
  }

  get child(): Child {
    return this.#child;
  }

  /** Starts it and waits for nothing. */
  static async spawn(
    children: Children,
    places: BenchPlaces,
    { models = [places.modelId], modelRoot = places.modelRoot }: ServiceOptions = {},
  ): Promise<LmxService> {
    const home = await mkdtemp(join(tmpdir(), "lmx-bench-"));
    const config = {
      model_roots: [modelRoot],
      auto_load: models,
      preload_openblas: places.openBlas !== null,
    };
    await writeFile(join(home, "config.yaml"), stringify(config));
    const port = await freePort();
    const env = { ...process.env, OPTA_LMX_HOME: home, OPTA_LMX_RUNTIMES: places.runtimesDirectory };
    const args = ["serve", "--port", String(port)];
    return new LmxService(() => children.start(LMX, args, env), port, home);
  }

  /** Once it listens, stops it and starts it anew in the same state directory, and waits for nothing. */
  async startAgain(): Promise<void> {
    await this.listening();
    await this.#child.end();
    this.#child = this.#start();
  }

  /** Polls until the model is routable, in another process than `otherThanPid` if given. */
  async routable(modelId: string, otherThanPid?: number): Promise<ModelDetail> {
    return await this.child.until(async () => {
      const model = await this.#model(modelId);
      const fits = model?.readiness.state === "routable" && model.worker?.pid !== otherThanPid;
      return fits ? model : undefined;
    }, LOOK_AGAIN_MS);
  }

  /** What a load of the model would come to. */
  async probe(model_id: string): Promise<ProbeResult> {
    const answer = await fetch(`${this.url}/admin/models/probe`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model_id }),
    });
    if (!answer.ok) throw new Error(`expected a verdict, got HTTP ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as ProbeResult;
  }

  /** Polls until it answers. */
  async listening(): Promise<void> {
    await this.child.until(async () => {
      const answer = await fetch(`${this.url}/livez`).catch(() => null);
      return answer?.ok ? true : undefined;
    }, LOOK_AGAIN_MS);
  }

  async end(): Promise<void> {
    await this.#child.end();
    await rm(this.#home, { recursive: true, force: true });
  }

  async #model(modelId: string): Promise<ModelDetail | undefined> {
    const answer = await fetch(`${this.url}/admin/models`).catch(() => null);
    if (answer === null || !answer.ok) return undefined;
    const { data } = (await answer.json()) as { data: ModelDetail[] };
    return data.find((model) => model.id === modelId);
  }
}
