import { describe, expect, it } from "vitest";
import type { HostPorts } from "../../supervisor/cluster/model-host.ts";
import type { Overrides } from "../../supervisor/policy/lifecycle/model-state.ts";
import { ADMITS, anyPrint, ENTRY, hostWithFakes } from "../support/fake-cluster-parts.ts";
import { FakeWorker, FINISH, REQUEST, SOUND_CANARY, settled } from "../support/fake-worker.ts";

const never = new AbortController().signal;
const soon = () => performance.now() + 30_000;

describe("ensureReady", () => {
  it("refuses a model nobody loads, naming the command, and does not spawn", async () => {
    const { host, workers } = hostWithFakes();
    await expect(host.ensureReady(soon(), never, anyPrint())).rejects.toMatchObject({
      code: "model_not_ready",
      retryable: false,
      message: expect.stringContaining("lmx load m"),
    });
    expect(workers).toEqual([]);
  });

  it("starts a model that requests may start, and holds everybody for the one load", async () => {
    const { host, workers } = hostWithFakes({ mayStart: true });
    const ready = await Promise.all(
      Array.from({ length: 20 }, () => host.ensureReady(soon(), never, anyPrint())),
    );
    expect(workers).toHaveLength(1);
    expect(new Set(ready.map(({ session }) => session.pid))).toEqual(new Set([1000]));
  });

  it("never gives out a worker before its canary passed", async () => {
    const { host, workers } = hostWithFakes({ manual: ["canary"] });
    host.startAutomatically();
    await settled();
    expect(host.readiness().state).toBe("canary_pending");
    let given = false;
    const ready = host.ensureReady(soon(), never, anyPrint()).then(() => (given = true));
    await settled();
    expect(given).toBe(false);
    workers[0]?.asked.find(({ method }) => method === "canary")?.answer(SOUND_CANARY);
    await ready;
    expect(host.readiness().state).toBe("routable");
  });

  it("lets a held request go with a retry hint when its time is up", async () => {
    const { host } = hostWithFakes({ manual: ["load"] });
    host.startAutomatically();
    await expect(host.ensureReady(performance.now() + 5, never, anyPrint())).rejects.toMatchObject({
      code: "model_not_ready",
      retryable: true,
      retryAfterSeconds: 5,
    });
  });
});

describe("a request that comes while the worker leaves", () => {
  /** A routable host with one request that keeps its worker from leaving, until `finish`. */
  async function busyHost(options: Parameters<typeof hostWithFakes>[0] = {}) {
    const parts = hostWithFakes(options);
    await parts.host.load(never);
    const slot = await parts.host.ensureReady(soon(), never, anyPrint());
    void slot.session.generate("running", REQUEST, { onRow: () => {}, onLost: () => {} }).catch(() => {});
    return { ...parts, finish: () => parts.workers[0]?.row([FINISH]) };
  }

  it("is served by the next worker of a restart, though no request may start the model", async () => {
    const { host, finish } = await busyHost();
    const restart = host.restart(never);
    await settled();
    expect(host.readiness()).toMatchObject({ state: "routable", detail: "draining" });
    const held = host.ensureReady(soon(), never, anyPrint());
    await settled();
    finish();
    expect((await held).session.pid).toBe(1001);
    await restart;
  });

  it("starts the model once the worker is gone, where requests may start it", async () => {
    const { host, finish } = await busyHost({ mayStart: true });
    const unload = host.unload(never);
    const held = host.ensureReady(soon(), never, anyPrint());
    await settled();
    finish();
    expect((await held).session.pid).toBe(1001);
    await unload;
  });

  it("asks for the next load only when the process is gone, and its memory with it", async () => {
    const stopped = Promise.withResolvers<void>();
    const checks: number[] = [];
    const examine: HostPorts["admission"]["examine"] = async (entry, options) => {
      checks.push(workers.length);
      return await ADMITS.examine(entry, options);
    };
    const { host, workers } = hostWithFakes({
      mayStart: true,
      stops: stopped.promise,
      ports: { admission: { ...ADMITS, examine } },
    });
    await host.load(never);
    const unload = host.unload(never);
    const held = host.ensureReady(soon(), never, anyPrint());
    await settled();
    expect(host.readiness().state).toBe("unloaded");
    expect(checks).toEqual([0]);
    stopped.resolve();
    expect((await held).session.pid).toBe(1001);
    await unload;
  });

  it("is refused at once when nobody brings the model back, and when an unload overtakes the restart", async () => {
    const { host, workers, finish } = await busyHost();
    const restart = host.restart(never);
    restart.catch(() => {});
    const held = host.ensureReady(soon(), never, anyPrint());
    held.catch(() => {});
    const unload = host.unload(never);
    await settled();
    finish();
    await unload;
    const refused = { code: "model_not_ready", retryable: false };
    await expect(held).rejects.toMatchObject(refused);
    await expect(restart).rejects.toMatchObject(refused);
    await expect(host.ensureReady(soon(), never, anyPrint())).rejects.toMatchObject(refused);
    expect(workers).toHaveLength(1);
  });

  it("is told to come again when the drain outlasts its hold time", async () => {
    const { host, finish } = await busyHost();
    const restart = host.restart(never);
    await expect(host.ensureReady(performance.now() + 5, never, anyPrint())).rejects.toMatchObject({
      code: "model_not_ready",
      retryable: true,
    });
    finish();
    await restart;
  });
});

describe("restart", () => {
  it("needs no further leave for what the model was let past before", async () => {
    const asked: Overrides[] = [];
    const examine: HostPorts["admission"]["examine"] = async (entry, options) => {
      asked.push(options.overrides);
      const report = await ADMITS.examine(entry, options);
      return { ...report, overridden: options.overrides.unsupportedRuntime ? ["runtime"] : [] };
    };
    const { host } = hostWithFakes({ ports: { admission: { ...ADMITS, examine } } });
    await host.restart(never);
    await host.restart(never);
    await host.unload(never);
    await host.load(never, { by: "operator", overrides: { unsupportedRuntime: true, safeMode: false } });
    await host.restart(never);
    await host.unload(never);
    await host.restart(never);
    expect(asked.map(({ safeMode, unsupportedRuntime }) => [safeMode, unsupportedRuntime])).toEqual([
      [false, false],
      [true, false],
      [false, true],
      [true, true],
      [false, false],
    ]);
  });
});

describe("load", () => {
  it("answers with what the load showed", async () => {
    const { host, outcomes } = hostWithFakes();
    expect(await host.load(never)).toMatchObject({
      model_id: "m",
      readiness: { state: "routable" },
      load_seconds: 0.5,
      memory_bytes: 1,
      checks: [{ name: "canary", status: "pass" }],
    });
    expect(outcomes).toEqual(["pass"]);
  });

  it("is a use of the model, however long its process waited as the spare", async () => {
    const spare = new FakeWorker(1);
    await settled();
    const asked = performance.now();
    const { host } = hostWithFakes({ ports: { launch: async () => spare.session } });
    await host.load(never);
    expect(host.use?.lastUsedMs).toBeGreaterThanOrEqual(asked);
  });

  it.each([
    ["a canary of zeros", "canary", "token_zero"],
    ["a canary with NaN in its logits", "canary", "non_finite_logits"],
    ["a load that raises", "load", "load_error"],
  ] as const)("fails on %s, ends the worker and records it", async (_name, method, cause) => {
    const { host, workers, outcomes } = hostWithFakes({ manual: [method] });
    const load = host.load(never);
    load.catch(() => {});
    await settled();
    const asked = workers[0]?.asked.find((request) => request.method === method);
    if (cause === "token_zero") asked?.answer({ ...SOUND_CANARY, token_ids: [0, 0] });
    else if (cause === "non_finite_logits") asked?.answer({ ...SOUND_CANARY, non_finite_steps: 1 });
    else asked?.refuse("internal_error", "ValueError: nobody knows");
    const code = method === "canary" ? "model_canary_failed" : "model_loader_crashed";
    await expect(load).rejects.toMatchObject({ code });
    expect(workers[0]?.stops).toHaveLength(1);
    expect(outcomes).toEqual([`fail ${cause}`]);
    expect(host.readiness()).toMatchObject({ state: "unloaded", failures: 1, reason: { code } });
  });

  it("answers a verdict on the files, keeps it, and looks again when the files change", async () => {
    const { host, workers } = hostWithFakes({ manual: ["load"] });
    const load = host.load(never);
    load.catch(() => {});
    await settled();
    workers[0]?.asked
      .find(({ method }) => method === "load")
      ?.refuse("model_incomplete", "Missing 3 parameters");
    await expect(load).rejects.toMatchObject({ code: "model_incomplete" });
    await expect(host.ensureReady(soon(), never, anyPrint())).rejects.toMatchObject({
      code: "model_incomplete",
      message: expect.stringContaining("Missing 3 parameters"),
    });
    host.refresh({ ...ENTRY, digest: "d2" });
    expect(host.readiness()).toMatchObject({ state: "unloaded", reason: null });
  });

  it("answers when the worker dies in it", async () => {
    const { host, workers } = hostWithFakes({ manual: ["load"] });
    const load = host.load(never);
    load.catch(() => {});
    await settled();
    workers[0]?.die({ signal: "SIGABRT" });
    await expect(load).rejects.toMatchObject({
      code: "model_loader_crashed",
      details: { cause: "native_abort" },
    });
  });

  it("answers when somebody unloads in the middle of it", async () => {
    const { host } = hostWithFakes({ manual: ["load"] });
    const load = host.load(never);
    load.catch(() => {});
    await settled();
    await host.unload(never);
    await expect(load).rejects.toMatchObject({ code: "model_not_ready" });
  });
});

describe("a routable model whose worker dies", () => {
  it("comes back by itself, and its failure is counted", async () => {
    const { host, workers } = hostWithFakes();
    await host.load(never);
    workers[0]?.die({ code: 0 });
    await settled();
    const { session } = await host.ensureReady(soon(), never, anyPrint());
    expect(session.pid).toBe(1001);
    expect(host.readiness()).toMatchObject({ state: "routable", failures: 1 });
  });

  it("does not count what we ended ourselves", async () => {
    const { host, workers } = hostWithFakes();
    await host.load(never);
    expect(await host.unload(never)).toMatchObject({
      readiness: { state: "unloaded", failures: 0, reason: null },
    });
    expect(workers[0]?.stops).toEqual(["orderly"]);
  });
});
