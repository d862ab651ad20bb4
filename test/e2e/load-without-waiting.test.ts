import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { tinyModels } from "../support/tiny-models.ts";

let lmx: RunningSupervisor;

beforeAll(async () => {
  lmx = await RunningSupervisor.start({ args: ["--auto-load", ""], routable: [] });
});
afterAll(async () => {
  await lmx.dispose();
});

it("refuses a quarantined model at once: no event would tell what became of it", async () => {
  await lmx.post("/admin/models/quarantine", { model_id: "lmx-demo", reason: "for a test" });
  const response = await lmx.post("/admin/models/load", { model_id: "lmx-demo", wait: false });
  expect(response.status).toBe(409);
  expect(await response.json()).toMatchObject({ error: { code: "model_unstable" } });
});

it("asks for a model just put on disk before it answers 202, and says what it can do once it is there", async () => {
  const directory = join(lmx.home, "models/tiny/new");
  mkdirSync(directory, { recursive: true });
  cpSync(tinyModels().endless, directory, { recursive: true });
  const response = await lmx.post("/admin/models/load", { model_id: "tiny/new", wait: false });
  expect(response.status).toBe(202);
  const { readiness } = (await response.json()) as { readiness: { state: string } };
  expect(["admitted", "loading"]).toContain(readiness.state);
  await lmx.becomes("tiny/new", "routable");
  expect(await (await lmx.fetch("/v1/models/tiny/new")).json()).toMatchObject({
    state: "routable",
    capabilities: { completion: true, fill: false },
  });
  expect(await (await lmx.fetch("/metrics")).text()).toMatch(
    /opta_lmx_load_duration_seconds_count\{model_name="tiny\/new"\} 1/,
  );
});
