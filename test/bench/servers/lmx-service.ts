import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { ModelDetail } from "../../../shared/admin.ts";
import type { Child, Children } from "./children.ts";
import { freePort } from "./free-port.ts";
import type { BenchPlaces } from "./places.ts";

const LMX = join(import.meta.dirname, "../../../bin/lmx.js");
const LOOK_AGAIN_MS = 5;

/** Our service as a user starts it, with a state directory of its own. */
export class LmxService {
  readonly child: Child;
  readonly url: string;
  readonly port: number;
  readonly #home: string;

  private constructor(child: Child, port: number, home: string) {
    this.child = child;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#home = home;
  }

  /** Starts it and waits for nothing. `models` are loaded at start. */
  static async spawn(
    children: Children,
    places: BenchPlaces,
    models: readonly string[] = [places.modelId],
  ): Promise<LmxService> {
    const home = await mkdtemp(join(tmpdir(), "lmx-bench-"));
    const config = {
      model_roots: [places.modelRoot],
      auto_load: models,
      preload_openblas: places.openBlas !== null,
    };
    await writeFile(join(home, "config.yaml"), stringify(config));
    const port = await freePort();
    const env = { ...process.env, OPTA_LMX_HOME: home, OPTA_LMX_RUNTIMES: places.runtimesDirectory };
    const args = [LMX, "serve", "--port", String(port)];
    return new LmxService(children.start(process.execPath, args, env), port, home);
  }

  /** Polls until the model is routable, in another process than `otherThanPid` if given. */
  async routable(modelId: string, otherThanPid?: number): Promise<ModelDetail> {
    return await this.child.until(async () => {
      const model = await this.#model(modelId);
      const fits = model?.readiness.state === "routable" && model.worker?.pid !== otherThanPid;
      return fits ? model : undefined;
    }, LOOK_AGAIN_MS);
  }

  async end(): Promise<void> {
    await this.child.end();
    await rm(this.#home, { recursive: true, force: true });
  }

  async #model(modelId: string): Promise<ModelDetail | undefined> {
    const answer = await fetch(`${this.url}/admin/models`).catch(() => null);
    if (answer === null || !answer.ok) return undefined;
    const { data } = (await answer.json()) as { data: ModelDetail[] };
    return data.find((model) => model.id === modelId);
  }
}
