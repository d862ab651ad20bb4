import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { Compatibility, ProbeResult } from "../../shared/admin.ts";
import { packageFiles } from "../../supervisor/host/package-files.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";

/** Damages of worker/tests/damages.py that change nothing but the numbers in the weights, and what shows them. */
const DAMAGES = [
  { damage: "values-nan", cause: "non_finite_logits" },
  { damage: "values-infinite", cause: "non_finite_logits" },
  { damage: "values-zero", cause: "constant_logits" },
] as const;
const BUILT = ["sound", ...DAMAGES.map(({ damage }) => damage)];

let directory: string;
let lmx: RunningSupervisor;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "lmx-values-"));
  const chosen = BUILT.map((damage) => `llama/${damage}`);
  await promisify(execFile)(
    inject("python"),
    ["-m", "tests.damaged_models", "--out", directory, "--only", ...chosen],
    { cwd: packageFiles().workerDirectory, env: { ...process.env, MLX_DISABLE_COMPILE: "1" } },
  );
  const models = BUILT.map((damage) => [`tiny/${damage}`, join(directory, "llama", damage)]);
  lmx = await RunningSupervisor.start({ models: Object.fromEntries(models) });
});
afterAll(async () => {
  await lmx.dispose();
  rmSync(directory, { recursive: true, force: true });
});

const probe = async (model_id: string) =>
  (await (await lmx.post("/admin/models/probe", { model_id })).json()) as ProbeResult;
const rowsOf = async (model: string) => {
  const answer = await lmx.fetch(`/admin/models/compatibility?model=${model}`);
  return ((await answer.json()) as Compatibility).data;
};

/** Loads, and looks at the model as often as the API answers meanwhile. */
async function loadWatched(model_id: string): Promise<{ answer: Response; states: Set<string> }> {
  const states = new Set<string>();
  let answer: Response | null = null;
  const loading = lmx.post("/admin/models/load", { model_id }).then((response) => (answer = response));
  do {
    expect((await lmx.fetch("/livez")).status).toBe(200);
    states.add((await lmx.model(model_id)).readiness.state);
  } while (answer === null);
  return { answer: await loading, states };
}

describe.each(DAMAGES)("weights with $damage", ({ damage, cause }) => {
  const id = `tiny/${damage}`;

  it("look sound from outside, fail their canary, and never serve", async () => {
    expect(await probe(id)).toMatchObject({ verdict: "admit", code: null });

    const { answer, states } = await loadWatched(id);
    expect(answer.status).toBe(409);
    expect(answer.headers.get("x-should-retry")).toBe("false");
    expect(await answer.json()).toMatchObject({
      error: { code: "model_canary_failed", details: { cause } },
    });
    expect([...states]).not.toContain("routable");

    const after = await lmx.model(id);
    expect(after.readiness).toMatchObject({ reason: { code: "model_canary_failed", cause } });
    expect(after.loaded).toBe(false);
    expect(after.readiness.state).not.toBe("routable");
    expect((await lmx.chat(id, "hi")).status).toBe(409);
    expect(await rowsOf(id)).toMatchObject([
      { outcome: "fail", reason: expect.stringContaining("model_canary_failed") },
    ]);
  });
});

it("the same model with its own weights serves, and so does the demo model all through", async () => {
  const { answer } = await loadWatched("tiny/sound");
  expect(answer.status).toBe(200);
  expect(await rowsOf("tiny/sound")).toMatchObject([{ outcome: "pass" }]);
  expect((await lmx.chat("lmx-demo", "ping")).status).toBe(200);
});
