import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ConfigReload, ConfigReport } from "../../shared/admin-config.ts";
import { healthPageSchema } from "../../shared/admin-health.ts";
import { memoryReportSchema } from "../../shared/admin-memory.ts";
import { modelPerformanceSchema } from "../../shared/admin-performance.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { tinyModels } from "../support/tiny-models.ts";

const BEFORE = "auto_load: [lmx-demo]\naliases: { small: lmx-demo }\n";
const AFTER = `auto_load: [lmx-demo, tiny/late]
aliases: { other: lmx-demo }
log_level: debug
spare_worker: false
models:
  lmx-demo: { context_tokens: 64 }
`;

let lmx: RunningSupervisor;
const write = (config: string) => writeFileSync(join(lmx.home, "config.yaml"), config);
const json = async <T>(path: string): Promise<T> => (await (await lmx.fetch(path)).json()) as T;

beforeAll(async () => {
  lmx = await RunningSupervisor.start({ config: BEFORE, models: { "tiny/late": tinyModels().endless } });
});
afterAll(async () => {
  await lmx.dispose();
});

it("applies what can be applied while a model answers on, and loads what is new", async () => {
  const { worker } = await lmx.model("lmx-demo");
  write(AFTER);
  const response = await lmx.fetch("/admin/config/reload", { method: "POST" });
  expect(response.status).toBe(200);
  const { applied, needs_restart, loading } = (await response.json()) as ConfigReload;
  expect(applied.map(({ key, restart_models }) => [key, restart_models])).toEqual([
    ["aliases.small", []],
    ["aliases.other", []],
    ["models.lmx-demo.context_tokens", ["lmx-demo"]],
    ["auto_load", []],
    ["log_level", []],
  ]);
  expect(needs_restart).toEqual([{ key: "spare_worker", from: true, to: false }]);
  expect(loading).toEqual(["tiny/late"]);

  expect((await lmx.chat("other", "ping", { max_tokens: 8 })).status).toBe(200);
  expect((await lmx.chat("small", "ping")).status).toBe(404);
  await lmx.becomes("tiny/late", "routable");
  const demo = await lmx.model("lmx-demo");
  expect(demo.worker?.pid).toBe(worker?.pid);
  expect(demo.context_length).toBeGreaterThan(64);
  const { values } = await json<ConfigReport>("/admin/config");
  expect(values).toContainEqual(expect.objectContaining({ key: "spare_worker", value: true }));

  await lmx.lmx("restart", "lmx-demo");
  expect((await lmx.model("lmx-demo")).context_length).toBe(64);
});

it("changes nothing when anything is wrong, and says what", async () => {
  const before = await json<ConfigReport>("/admin/config");
  write(`${AFTER}idle_seconds: 5\nprot: 1\n`);
  const response = await lmx.fetch("/admin/config/reload", { method: "POST" });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    error: { details: { problems: [expect.stringContaining('did you mean "port"?')] } },
  });
  expect(await json<ConfigReport>("/admin/config")).toEqual(before);
  await expect(lmx.lmx("config", "reload")).rejects.toMatchObject({
    code: 78,
    stderr: expect.stringContaining('did you mean "port"?'),
  });
});

it("tells of memory, speed and health", async () => {
  await lmx.chat("other", "ping", { max_tokens: 8 });
  const memory = memoryReportSchema.parse(await json("/admin/memory"));
  expect(memory.holders.map(({ model_id }) => model_id).toSorted()).toEqual(["lmx-demo", "tiny/late"]);
  expect(memory.machine.source).not.toBe("");
  expect((await lmx.lmx("memory")).stdout).toMatch(/^tiny\/late +loaded /m);
  const figures = modelPerformanceSchema.parse(await json("/admin/models/other/performance"));
  expect(figures).toMatchObject({ model_id: "lmx-demo", readiness: { state: "routable" } });
  expect(figures.requests.succeeded).toBeGreaterThanOrEqual(1);
  expect(figures.time_to_first_token_seconds.p50).toBeGreaterThan(0);
  expect(figures.memory?.peak).toBeGreaterThan(0);
  const unused = modelPerformanceSchema.parse(await json("/admin/models/tiny/late/performance"));
  expect(unused.requests.total).toBe(0);
  const { checks } = healthPageSchema.parse(await json("/admin/health?verbose"));
  expect(checks.filter(({ status }) => status === "fail")).toEqual([]);
  const metrics = await (await lmx.fetch("/metrics")).text();
  expect(metrics).toMatch(/opta_lmx_model_memory_bytes\{model_name="tiny\/late",kind="granted"\} \d+/);
  expect(metrics).toMatch(/opta_lmx_memory_ledger_bytes\{kind="held"\} [1-9]/);
});

it("reads it on SIGUSR2 as well, and a new key is asked for at once", async () => {
  write(`${AFTER}api_keys: [first-key-of-all]\n`);
  lmx.process.kill("SIGUSR2");
  await lmx.outputShows(/"applied":\["api_keys"\]/);
  expect((await lmx.fetch("/v1/models")).status).toBe(401);
  const headers = { authorization: "Bearer first-key-of-all" };
  expect((await lmx.fetch("/v1/models", { headers })).status).toBe(200);
  expect(lmx.output).not.toContain("first-key-of-all");
});
