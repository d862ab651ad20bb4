import { afterEach, describe, expect, it } from "vitest";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { tinyModels } from "../support/tiny-models.ts";

const MODEL = "tiny/bombed";
/** Enough for the model, and nothing for a prompt of gigabytes. */
const LIMIT_BYTES = 700 * 1024 ** 2;

const running: RunningSupervisor[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((supervisor) => supervisor.dispose()));
});

/** Requests that took gigabytes and half a minute to prepare, each of another shape. */
const BOMBS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "empty turns": { messages: Array.from({ length: 19_000 }, () => ({ role: "user", content: "" })) },
  "a long template argument": { chat_template_kwargs: { date_string: "x".repeat(7 * 1024 ** 2) } },
  "many values in a template argument": { chat_template_kwargs: { zz: Array(150_000).fill(0) } },
};

describe("requests that are dear to prepare, with a limit of memory", () => {
  it("are refused one by one; the worker lives, nothing is quarantined, and another client is served", async () => {
    const lmx = await RunningSupervisor.start({
      models: { [MODEL]: tinyModels().endless },
      config: `memory:\n  limit_bytes: ${LIMIT_BYTES}\n`,
      args: ["--auto-load", MODEL],
      routable: [MODEL],
    });
    running.push(lmx);
    const { worker } = await lmx.model(MODEL);
    for (const bomb of Object.values(BOMBS)) {
      const [refused, served] = await Promise.all([
        lmx.chat(MODEL, "go on", { max_tokens: 2, ...bomb }),
        lmx.chat(MODEL, "go on", { max_tokens: 2 }),
      ]);
      expect([400, 413]).toContain(refused.status);
      expect(served.status).toBe(200);
    }
    const after = await lmx.model(MODEL);
    expect(after.readiness).toMatchObject({ state: "routable", failures: 0, quarantine: null });
    expect(after.worker?.pid).toBe(worker?.pid);
  });
});
