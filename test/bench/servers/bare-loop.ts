import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Child, Children } from "./children.ts";
import type { BenchPlaces } from "./places.ts";

export interface BareRun {
  readonly tokens: number;
  readonly seconds: number;
  readonly first_token_seconds: number;
}

const SCRIPT = join(import.meta.dirname, "../python/bare_loop.py");

/** The batching loop of mlx_lm by itself; see bare_loop.py. */
export class BareLoop {
  readonly #child: Child;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: Child) {
    this.#child = child;
    const { stdout } = child.process;
    if (stdout === null) throw new Error("no stdout");
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  static async start(children: Children, places: BenchPlaces): Promise<BareLoop> {
    const child = children.start(places.python, [SCRIPT, places.modelDirectory], places.pythonEnvironment);
    const loop = new BareLoop(child);
    await loop.#nextLine();
    return loop;
  }

  async run(prompts: readonly string[], maxTokens: number): Promise<BareRun> {
    this.#child.process.stdin?.write(`${JSON.stringify({ prompts, max_tokens: maxTokens })}\n`);
    const run = JSON.parse(await this.#nextLine()) as BareRun;
    if (run.tokens !== prompts.length * maxTokens)
      throw new Error(`expected ${prompts.length * maxTokens} tokens, got ${run.tokens}`);
    return run;
  }

  async #nextLine(): Promise<string> {
    const { value } = await this.#child.unlessItEnds(this.#lines.next());
    return String(value);
  }
}
