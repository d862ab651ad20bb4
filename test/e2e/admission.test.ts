import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Compatibility, ProbeResult } from "../../shared/admin.ts";
import { buildTinyModel } from "../support/build-tiny-model.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { tinyModels } from "../support/tiny-models.ts";

interface AdminError {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly details: Pick<ProbeResult, "checks" | "memory">;
  };
}

let directory: string;
let lmx: RunningSupervisor;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "lmx-admission-"));
  const cut = join(directory, "cut");
  cpSync(tinyModels().endless, cut, { recursive: true });
  truncateSync(join(cut, "model.safetensors"), 50_000);
  const misshapen = join(directory, "misshapen");
  cpSync(tinyModels().endless, misshapen, { recursive: true });
  const config = JSON.parse(readFileSync(join(misshapen, "config.json"), "utf8")) as object;
  writeFileSync(join(misshapen, "config.json"), JSON.stringify({ ...config, intermediate_size: 100 }));
  lmx = await RunningSupervisor.start({
    config: "auto_load: [tiny/cut, lmx-demo]\n",
    models: {
      "tiny/cut": cut,
      "tiny/misshapen": misshapen,
      "tiny/sound": tinyModels().endless,
      "tiny/glm": await buildTinyModel("glm_moe_dsa", join(directory, "glm"), "--endless"),
    },
  });
});
afterAll(async () => {
  await lmx.dispose();
  rmSync(directory, { recursive: true, force: true });
});

const load = (model_id: string, more: object = {}) => lmx.post("/admin/models/load", { model_id, ...more });
const probe = async (model_id: string) =>
  (await (await lmx.post("/admin/models/probe", { model_id })).json()) as ProbeResult;
const rowsOf = async (model: string) => {
  const answer = await lmx.fetch(`/admin/models/compatibility?model=${model}`);
  return ((await answer.json()) as Compatibility).data;
};

describe("a model with a shard cut short", () => {
  it("is quarantined at start with its reason, and start-up goes on", async () => {
    expect(await lmx.becomes("tiny/cut", "quarantined")).toMatchObject({
      worker: null,
      readiness: {
        failures: 0,
        reason: {
          code: "model_incomplete",
          message: expect.stringContaining("model.safetensors is cut off"),
        },
        quarantine: { until: null },
      },
    });
    expect((await lmx.model("lmx-demo")).readiness.state).toBe("routable");
  });

  it("answers inference with the refusal's code, and a load with every check and the repair command", async () => {
    const chat = await lmx.chat("tiny/cut", "hi");
    expect([chat.status, chat.headers.get("x-should-retry")]).toEqual([400, "false"]);
    expect(await chat.json()).toMatchObject({ error: { code: "model_incomplete" } });
    const answer = await load("tiny/cut");
    expect(answer.status).toBe(409);
    const { error } = (await answer.json()) as AdminError;
    expect(error).toMatchObject({
      code: "model_incomplete",
      message: expect.stringContaining("lmx repair tiny/cut"),
    });
    expect(error.details.checks.find(({ status }) => status === "fail")).toMatchObject({
      name: "weights",
      next_step: expect.stringContaining("lmx repair tiny/cut"),
    });
  });

  it("is written down once, however often it is asked for", async () => {
    await load("tiny/cut");
    const rows = await rowsOf("tiny/cut");
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ outcome: "fail", reason: expect.stringContaining("model_incomplete") });
  });
});

describe("weights that do not fit the architecture", () => {
  it("are found before they are read, and the worker that looked is gone", async () => {
    const verdict = await probe("tiny/misshapen");
    expect(verdict).toMatchObject({ verdict: "refuse", code: "model_incomplete" });
    expect(verdict.checks.at(-1)).toMatchObject({
      name: "structure",
      status: "fail",
      detail: expect.stringMatching(/shape/i),
    });
    expect((await lmx.model("tiny/misshapen")).readiness.state).toBe("unloaded");
    expect((await load("tiny/misshapen")).status).toBe(409);
    expect((await lmx.model("tiny/misshapen")).readiness.state).toBe("quarantined");
  });
});

describe("the runtime gate", () => {
  it("keeps glm_moe_dsa out with 422 and a row, and the API answers on", async () => {
    const answer = await load("tiny/glm");
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ error: { code: "model_unsupported_backend" } });
    expect((await lmx.fetch("/livez")).status).toBe(200);
    expect(await rowsOf("tiny/glm")).toMatchObject([{ outcome: "fail" }]);
    expect((await lmx.chat("tiny/glm", "hi")).status).toBe(422);
  });

  it("is passed on the operator's word, which is logged, audited and recorded, and opens it for good", async () => {
    const answer = await load("tiny/glm", { allow_unsupported_runtime: true });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      readiness: { state: "routable" },
      checks: expect.arrayContaining([expect.objectContaining({ name: "runtime", status: "warn" })]),
    });
    expect(lmx.output).toContain("limits of the runtime overridden");
    expect(await rowsOf("tiny/glm")).toMatchObject([
      { outcome: "pass", metadata: { overridden: ["runtime"] } },
      { outcome: "fail" },
    ]);
    expect(readFileSync(join(lmx.home, "audit.json"), "utf8")).toMatch(
      /allow_unsupported_runtime[\s\S]*tiny\/glm/,
    );
    await lmx.post("/admin/models/unload", { model_id: "tiny/glm" });
    expect((await load("tiny/glm")).status).toBe(200);
  });
});

describe("a probe", () => {
  it("says what a load would take, loads nothing, and is what dry_run answers", async () => {
    const verdict = await probe("tiny/sound");
    expect(verdict).toMatchObject({ verdict: "admit", code: null });
    expect(verdict.memory.weights_bytes).toBeGreaterThan(100_000);
    expect(verdict.memory.required_bytes).toBeGreaterThan(verdict.memory.weights_bytes ?? 0);
    const { memory: _, ...known } = (await (
      await load("tiny/sound", { dry_run: true })
    ).json()) as ProbeResult;
    expect(known.checks.map(({ name, status }) => [name, status])).toEqual(
      verdict.checks.map(({ name, status }) => [name, status]),
    );
    expect((await lmx.model("tiny/sound")).readiness).toMatchObject({ state: "unloaded", reason: null });
    expect(await rowsOf("tiny/sound")).toEqual([]);
  });

  it("of a model nobody has is 404", async () => {
    expect((await lmx.post("/admin/models/probe", { model_id: "tiny/none" })).status).toBe(404);
  });
});

describe("memory", () => {
  const models = () => ({ "tiny/one": tinyModels().endless, "tiny/two": tinyModels().endlessTwin });

  async function withLimit<T>(evict: string, work: (small: RunningSupervisor) => Promise<T>): Promise<T> {
    const { memory } = await probe("tiny/sound");
    // Room for one and a half.
    const limit = Math.round((memory.required_bytes ?? 0) * 1.5);
    const small = await RunningSupervisor.start({
      config: `auto_load: []\nmemory: {limit_bytes: ${limit}, evict: ${evict}}\n`,
      models: models(),
      routable: [],
    });
    try {
      return await work(small);
    } finally {
      await small.dispose();
    }
  }

  it("is refused with who holds it and what could leave, and the model stays unloaded", async () => {
    await withLimit("never", async (small) => {
      expect((await small.post("/admin/models/load", { model_id: "tiny/one" })).status).toBe(200);
      const refused = await small.post("/admin/models/load", { model_id: "tiny/two" });
      expect(refused.status).toBe(507);
      const { error } = (await refused.json()) as AdminError;
      expect(error.code).toBe("insufficient_memory");
      expect(error.message).toMatch(/needs .* free.*tiny\/one holds .*lmx unload tiny\/one/);
      expect(error.details.memory.required_bytes).toBeGreaterThan(error.details.memory.available_bytes ?? 0);
      expect((await small.model("tiny/two")).readiness).toMatchObject({
        state: "unloaded",
        reason: { code: "insufficient_memory" },
      });
      await small.post("/admin/models/unload", { model_id: "tiny/one" });
      expect((await small.post("/admin/models/load", { model_id: "tiny/two" })).status).toBe(200);
    });
  });

  it("is made by unloading the idle model, never one that streams", async () => {
    await withLimit("idle", async (small) => {
      expect((await small.post("/admin/models/load", { model_id: "tiny/one" })).status).toBe(200);
      const leaving = new AbortController();
      const stream = await small.chat(
        "tiny/one",
        "hi",
        { stream: true, max_tokens: 100_000 },
        { signal: leaving.signal },
      );
      expect((await small.post("/admin/models/load", { model_id: "tiny/two" })).status).toBe(507);
      leaving.abort();
      await stream.text().catch(() => {});
      for (;;) if ((await small.model("tiny/one")).worker?.in_flight === 0) break;
      expect((await small.post("/admin/models/load", { model_id: "tiny/two" })).status).toBe(200);
      expect((await small.model("tiny/one")).readiness.state).toBe("unloaded");
    });
  });

  it("is given to one of two loads at once, never promised twice", async () => {
    await withLimit("never", async (small) => {
      const both = await Promise.all(
        ["tiny/one", "tiny/two"].map((model_id) => small.post("/admin/models/load", { model_id })),
      );
      expect(both.map(({ status }) => status).toSorted()).toEqual([200, 507]);
    });
  });
});
