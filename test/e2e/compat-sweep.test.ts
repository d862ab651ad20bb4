import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Compatibility } from "../../shared/admin.ts";
import type { SweepStatus } from "../../shared/admin-sweep.ts";
import { buildTinyModel } from "../support/build-tiny-model.ts";
import { RunningSupervisor } from "../support/running-supervisor.ts";

const ARCHS = ["glm_moe_dsa", "kimi_k2", "minimax_m2"];

let directory: string;
let lmx: RunningSupervisor;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "lmx-sweep-"));
  lmx = await RunningSupervisor.start({
    config: "auto_load: []\n",
    models: { "tiny/glm": await buildTinyModel("glm_moe_dsa", join(directory, "glm"), "--endless") },
    routable: [],
  });
});
afterAll(async () => {
  await lmx.dispose();
  rmSync(directory, { recursive: true, force: true });
});

const rowsOf = async (model: string) => {
  const answer = await lmx.fetch(`/admin/models/compatibility?model=${model}`);
  return ((await answer.json()) as Compatibility).data;
};

describe("a sweep over real workers", () => {
  it("passes every architecture and writes a row for each, marked as reduced", async () => {
    const { stdout } = await lmx.lmx("compat", "sweep", "--arch", ARCHS.join(","), "--json");
    const { state, results, runtime } = JSON.parse(stdout) as SweepStatus;
    expect(state).toBe("done");
    expect(results.map(({ arch, outcome, reason }) => [arch, outcome, reason])).toEqual(
      ARCHS.map((arch) => [arch, "pass", null]),
    );
    for (const arch of ARCHS) {
      const [row, ...older] = await rowsOf(`reduced/${arch}`);
      expect(older).toEqual([]);
      expect(row).toMatchObject({
        outcome: "pass",
        backend: "mlx-lm",
        backend_version: runtime?.backend_version,
        metadata: {
          reduced: true,
          arch,
          mlx_version: runtime?.mlx_version,
          digest: expect.stringMatching(/^[0-9a-f]{64}$/),
          load_seconds: expect.any(Number),
          peak_memory_bytes: expect.any(Number),
        },
      });
      expect(row?.metadata.peak_memory_bytes).toBeGreaterThan(100_000);
    }
  });

  it("leaves nothing of what it built", () => {
    expect(readdirSync(join(lmx.home, "tmp")).filter((name) => name.startsWith("reduced-"))).toEqual([]);
  });

  it("lifts no block: real weights of the architecture are still kept out", async () => {
    const answer = await lmx.post("/admin/models/load", { model_id: "tiny/glm" });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ error: { code: "model_unsupported_backend" } });
    expect(await rowsOf("tiny/glm")).toMatchObject([{ outcome: "fail" }]);
  });

  it("skips what has passed, and what it finds again has the same digest", async () => {
    const again = await lmx.lmx("compat", "sweep", "--arch", "kimi_k2,minimax_m2", "--json");
    expect((JSON.parse(again.stdout) as SweepStatus).results.map(({ outcome }) => outcome)).toEqual([
      "skipped",
      "skipped",
    ]);
    await lmx.lmx("compat", "sweep", "--arch", "kimi_k2", "--force");
    const rows = await rowsOf("reduced/kimi_k2");
    expect(rows).toHaveLength(2);
    expect(rows[0]!.metadata.digest).toBe(rows[1]!.metadata.digest);
  });

  it("of the real weights goes past the block, records it, and unloads again", async () => {
    const { stdout } = await lmx.lmx("compat", "sweep", "--model", "tiny/glm", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ model: "tiny/glm", outcome: "pass" });
    expect((await rowsOf("tiny/glm"))[0]).toMatchObject({
      outcome: "pass",
      metadata: { overridden: ["runtime"] },
    });
    expect((await lmx.model("tiny/glm")).readiness.state).toBe("unloaded");
  });

  it("ends with the service, and its worker with it", async () => {
    await lmx.post("/admin/models/compatibility/sweep", { force: true });
    expect(await lmx.stop()).toEqual({ code: 0, signal: null });
    expect(lmx.output).toContain("compatibility sweep cancelled");
  });
});
