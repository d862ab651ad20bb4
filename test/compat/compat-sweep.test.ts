import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RegistryEntry } from "../../shared/registry.ts";
import { LoadHistory } from "../../supervisor/cluster/admission/load-history.ts";
import type { CompatSweep, SweepPorts } from "../../supervisor/compat/compat-sweep.ts";
import { SweepRecord } from "../../supervisor/compat/sweep-record.ts";
import { openRegistry } from "../../supervisor/store/compatibility-registry.ts";
import { LoadQueue } from "../../supervisor/workers/load-queue.ts";
import { sweepWithFakes, until, VERSIONS } from "../support/fake-sweep.ts";
import { SOUND_CANARY, settled } from "../support/fake-worker.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const ALL = { force: false };
const isOver = (sweep: CompatSweep) => until(() => sweep.status().state !== "running");
const outcomes = (sweep: CompatSweep) =>
  sweep.status().results.map(({ arch, outcome }) => `${arch} ${outcome}`);
const AB = { archs: ["a", "b"], force: false };

describe("a sweep", () => {
  it("loads and canaries each architecture in a worker of its own, and leaves nothing behind", async () => {
    const { sweep, workers, rows, scratch } = await sweepWithFakes();
    expect(sweep.status()).toMatchObject({ state: "idle", id: null });
    const accepted = await sweep.start(AB);
    expect(accepted.total).toBe(2);
    await isOver(sweep);
    expect(sweep.status()).toMatchObject({
      id: accepted.id,
      state: "done",
      done: 2,
      total: 2,
      current: null,
    });
    expect(sweep.status().runtime).toMatchObject({ backend_version: "0.2", mlx_version: "0.1" });
    expect(sweep.status().results[0]).toEqual({
      arch: "a",
      outcome: "pass",
      reason: null,
      limit: null,
      load_seconds: 0.5,
      peak_memory_bytes: 2,
    });
    expect(workers.map(({ asked }) => asked.map(({ method }) => method))).toEqual([
      ["initialize", "load", "canary"],
      ["initialize", "load", "canary"],
    ]);
    expect(workers.map(({ stops }) => stops)).toEqual([["orderly"], ["orderly"]]);
    expect(await readdir(scratch)).toEqual([]);
    expect(rows.map(({ model, outcome }) => [model, outcome])).toEqual([
      ["reduced/a", "pass"],
      ["reduced/b", "pass"],
    ]);
    expect(rows[0]).toMatchObject({
      backend: "mlx-lm",
      backend_version: "0.2",
      reason: null,
      metadata: {
        reduced: true,
        arch: "a",
        mlx_version: "0.1",
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        platform: `${process.platform}-${process.arch}`,
        load_seconds: 0.5,
        peak_memory_bytes: 2,
      },
    });
  });

  it("ends a worker before the next begins", async () => {
    const { sweep, workers } = await sweepWithFakes({ manual: ["canary"] });
    await sweep.start(AB);
    await until(() => workers[0]?.asked.at(-1)?.method === "canary");
    expect(workers).toHaveLength(1);
    workers[0]!.asked.at(-1)!.answer(SOUND_CANARY);
    await until(() => workers[1]?.asked.at(-1)?.method === "canary");
    expect(workers[0]!.stops).toEqual(["orderly"]);
    await sweep.cancel();
  });

  it("goes on after a crash, which is a failure with its cause", async () => {
    const { sweep, workers, rows } = await sweepWithFakes({ manual: ["load"] });
    await sweep.start(AB);
    await until(() => workers[0]?.asked.at(-1)?.method === "load");
    workers[0]!.die({ signal: "SIGSEGV", stderrTail: "Fatal Python error: Segmentation fault" });
    await until(() => workers[1]?.asked.at(-1)?.method === "load");
    workers[1]!.asked.at(-1)!.refuse("model_incomplete", "tensor x is missing");
    await isOver(sweep);
    expect(outcomes(sweep)).toEqual(["a fail", "b fail"]);
    expect(rows).toMatchObject([
      {
        outcome: "fail",
        reason: expect.stringMatching(/^model_loader_crashed: .*SIGSEGV/),
        metadata: { cause: "native_segv", reduced: true },
      },
      { outcome: "fail", reason: "model_incomplete: tensor x is missing" },
    ]);
  });

  it("fails an architecture whose canary says nothing sound", async () => {
    const { sweep, workers, rows } = await sweepWithFakes({ manual: ["canary"] });
    await sweep.start({ ...ALL, archs: ["a"] });
    await until(() => workers[0]?.asked.at(-1)?.method === "canary");
    workers[0]!.asked.at(-1)!.answer({ ...SOUND_CANARY, non_finite_steps: 2 });
    await isOver(sweep);
    expect(rows).toMatchObject([{ outcome: "fail", reason: expect.stringContaining("model_canary_failed") }]);
  });

  it("goes on after what cannot be built or tried, and writes only what is known of the architecture", async () => {
    const { sweep, rows, workers } = await sweepWithFakes({
      ports: {
        build: async (arch) => {
          if (arch === "b") throw new Error("disk full");
          return { kind: "failed", type: "UnknownField", message: "no value" };
        },
      },
    });
    await sweep.start(AB);
    await isOver(sweep);
    expect(workers).toHaveLength(0);
    expect(sweep.status().results.map(({ reason }) => reason)).toEqual([
      "model_unsupported_arch: no reduced model could be built: UnknownField: no value",
      "internal_error: disk full",
    ]);
    expect(rows.map(({ model }) => model)).toEqual(["reduced/a"]);
  });

  it("holds nothing against an architecture when no worker can be started", async () => {
    const { sweep, rows } = await sweepWithFakes({
      listed: [{ arch: "a", family: "a", limit: { kind: "needs-metal", reason: "no CPU form" } }],
      ports: { launch: () => Promise.reject(new Error("ENOMEM")) },
    });
    await sweep.start({ ...ALL, archs: ["a"] });
    await isOver(sweep);
    expect(sweep.status().results).toMatchObject([
      { outcome: "fail", limit: null, reason: expect.stringContaining("ENOMEM") },
    ]);
    expect(rows).toEqual([]);
  });
});

describe("a known limit", () => {
  const limit = { kind: "cannot-batch", reason: "no batched form" };

  it("is the reason of a failure, beside what was found", async () => {
    const { sweep, workers, rows } = await sweepWithFakes({
      listed: [{ arch: "a", family: "a", limit }],
      manual: ["load"],
    });
    await sweep.start({ ...ALL, archs: ["a"] });
    await until(() => workers[0]?.asked.at(-1)?.method === "load");
    workers[0]!.asked.at(-1)!.refuse("model_unsupported_backend", "LayerCache");
    await isOver(sweep);
    expect(sweep.status().results).toMatchObject([
      { outcome: "fail", reason: "model_unsupported_backend: no batched form", limit },
    ]);
    expect(rows[0]!.metadata).toMatchObject({ known_limit: "cannot-batch", found: "LayerCache" });
  });

  it("is no excuse for a crash", async () => {
    const { sweep, workers, rows } = await sweepWithFakes({
      listed: [{ arch: "a", family: "a", limit }],
      manual: ["load"],
    });
    await sweep.start({ ...ALL, archs: ["a"] });
    await until(() => workers[0]?.asked.at(-1)?.method === "load");
    workers[0]!.die({ signal: "SIGSEGV" });
    await isOver(sweep);
    expect(sweep.status().results).toMatchObject([
      { outcome: "fail", reason: expect.stringContaining("SIGSEGV"), limit: null },
    ]);
    expect(rows[0]!.metadata).not.toHaveProperty("known_limit");
  });

  it.each([
    ["linux", { kind: "needs-metal", reason: "no CPU form" }],
    ["darwin", null],
  ] as const)("of what needs Metal explains a failure elsewhere than on a Mac: %s", (system, expected) => {
    const record = new SweepRecord({ record: () => {}, entries: () => [] }, system);
    const listed = { arch: "a", family: "a", limit: { kind: "needs-metal", reason: "no CPU form" } };
    const reason = { code: "model_unsupported_backend", cause: "x", message: "y" };
    const attempt = { kind: "failed", digest: "d", failure: { class: "deterministic", reason } } as const;
    expect(record.outcome(listed, VERSIONS, attempt).limit).toEqual(expected);
  });

  it("does not make a pass a failure", async () => {
    const { sweep, rows } = await sweepWithFakes({ listed: [{ arch: "a", family: "a", limit }] });
    await sweep.start({ ...ALL, archs: ["a"] });
    await isOver(sweep);
    expect(sweep.status().results).toMatchObject([{ outcome: "pass", limit }]);
    expect(rows[0]).toMatchObject({ outcome: "pass", metadata: { known_limit: "cannot-batch" } });
  });

  it("skips what cannot be built, without a row", async () => {
    const { sweep, rows } = await sweepWithFakes({
      listed: [{ arch: "a", family: "a", limit: { kind: "cannot-build", reason: "needs a package" } }],
      ports: { build: async () => ({ kind: "failed", type: "SystemExit", message: "x" }) },
    });
    await sweep.start({ ...ALL, archs: ["a"] });
    await isOver(sweep);
    expect(sweep.status().results).toMatchObject([{ outcome: "skipped", reason: "needs a package" }]);
    expect(rows).toEqual([]);
  });
});

describe("what has passed already", () => {
  it("is skipped with its figures until it is forced, and the same model keeps its digest", async () => {
    const { sweep, rows, workers } = await sweepWithFakes();
    for (const [force, tried] of [
      [false, 2],
      [false, 2],
      [true, 4],
    ] as const) {
      await sweep.start({ ...AB, force });
      await isOver(sweep);
      expect(workers).toHaveLength(tried);
      if (tried === 2 && rows.length === 2) expect(sweep.status().results[0]?.load_seconds).toBe(0.5);
    }
    expect(rows[0]!.metadata.digest).toBe(rows[2]!.metadata.digest);
    expect(rows[0]!.metadata.digest).not.toBe(rows[1]!.metadata.digest);
  });

  it("says so, and is tried again on another runtime or after a failure", async () => {
    const rows: RegistryEntry[] = [];
    const first = await sweepWithFakes({ rows });
    await first.sweep.start(AB);
    await isOver(first.sweep);
    rows.push({ ...rows[1]!, outcome: "fail" });
    await first.sweep.start(AB);
    await isOver(first.sweep);
    expect(outcomes(first.sweep)).toEqual(["a skipped", "b pass"]);
    expect(first.sweep.status().results[0]?.reason).toContain("passed on this runtime already");
    const other = await sweepWithFakes({
      rows,
      ports: { versions: async () => ({ ...VERSIONS, mlx: "9" }) },
    });
    await other.sweep.start(AB);
    await isOver(other.sweep);
    expect(outcomes(other.sweep)).toEqual(["a pass", "b pass"]);
  });
});

describe("one at a time", () => {
  it("refuses a second sweep, even one that is asked for in the same moment", async () => {
    const { sweep, workers } = await sweepWithFakes({ manual: ["load"] });
    const answers = await Promise.allSettled([sweep.start(AB), sweep.start(AB)]);
    expect(answers[0]!.status).toBe("fulfilled");
    expect(answers[1]).toMatchObject({ reason: { code: "rate_limit_exceeded", retryable: false } });
    await until(() => workers.length === 1);
    await expect(sweep.start(AB)).rejects.toThrow(/is at 0 of 2/);
    await sweep.cancel();
  });

  it("does not block the next when it could not begin", async () => {
    const { sweep } = await sweepWithFakes();
    await expect(sweep.start({ ...ALL, archs: ["x"] })).rejects.toMatchObject({
      code: "invalid_request_error",
    });
    expect((await sweep.start(AB)).total).toBe(2);
    await isOver(sweep);
  });

  it("never loads beside a load: it waits for its turn, and the next load waits for its", async () => {
    const loads = new LoadQueue();
    let asked = 0;
    const counted: SweepPorts["loads"] = {
      ask: (granted) => {
        asked += 1;
        return loads.ask(granted);
      },
    };
    const { sweep, workers } = await sweepWithFakes({ manual: ["load"], ports: { loads: counted } });
    const model = loads.ask(() => {});
    await sweep.start(AB);
    await until(() => asked === 1);
    await settled();
    expect(workers).toHaveLength(0);
    model.giveBack();
    await until(() => workers[0]?.asked.at(-1)?.method === "load");
    let granted = false;
    const next = loads.ask(() => {
      granted = true;
    });
    await settled();
    expect(granted).toBe(false);
    workers[0]!.die();
    await until(() => granted && asked === 2);
    await settled();
    expect(workers).toHaveLength(1);
    expect(await sweep.cancel()).toMatchObject({ state: "cancelled", done: 1 });
    next.giveBack();
    await settled();
    expect(workers).toHaveLength(1);
  });
});

describe("a cancel", () => {
  it("ends the worker, keeps what was found and records nothing of what was under way", async () => {
    const { sweep, workers, rows, scratch } = await sweepWithFakes({ manual: ["canary"] });
    await sweep.start(AB);
    await until(() => workers[0]?.asked.at(-1)?.method === "canary");
    workers[0]!.asked.at(-1)!.answer(SOUND_CANARY);
    await until(() => workers[1]?.asked.at(-1)?.method === "canary");
    expect(await sweep.cancel()).toMatchObject({ state: "cancelled", done: 1, total: 2, current: null });
    expect((await workers[1]!.session.exited).signal).toBe("SIGKILL");
    expect(rows.map(({ model }) => model)).toEqual(["reduced/a"]);
    expect(await readdir(scratch)).toEqual([]);
  });

  it("of nothing is a success, and a closed sweep begins none any more", async () => {
    const { sweep } = await sweepWithFakes();
    expect((await sweep.cancel()).state).toBe("idle");
    await sweep.close();
    await expect(sweep.start(AB)).rejects.toMatchObject({ code: "server_is_overloaded" });
  });
});

it("a reduced pass says nothing of real weights: neither of their history nor of loads on request", async () => {
  const path = join(await temporaryDirectory(), "registry.json");
  const log = { info: () => undefined, error: () => undefined };
  const registry = await openRegistry({ path, now: () => 0, log });
  const { sweep, rows } = await sweepWithFakes({ listed: [{ arch: "glm_moe_dsa", family: "glm_moe_dsa" }] });
  await sweep.start({ ...ALL, archs: ["glm_moe_dsa"] });
  await isOver(sweep);
  expect(rows[0]).toMatchObject({ model: "reduced/glm_moe_dsa", outcome: "pass" });
  await registry.recordDurably(rows[0]!);
  const record = new LoadHistory(registry, "proven", () => VERSIONS);
  const digest = String(rows[0]!.metadata.digest);
  // Even the very same files, under their own name.
  const real = {
    id: "tiny/glm",
    path: "/m",
    root: "/",
    sizeBytes: 1,
    modelType: "glm_moe_dsa",
    contextLength: 1,
    digest,
  };
  expect(record.history(real, VERSIONS)).toMatchObject({ lastOutcome: null, hasPassed: false });
  expect(record.mayStartOnRequest(real)).toBe(false);
  await registry.close();
  expect(await readFile(path, "utf8")).toContain('"reduced": true');
});
