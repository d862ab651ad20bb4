import { describe, expect, it } from "vitest";
import type { HostPorts, ModelHost } from "../../../supervisor/cluster/model-host.ts";
import {
  type FailureRecord,
  NO_FAILURES,
  QUARANTINE_DEFAULTS,
} from "../../../supervisor/policy/lifecycle/failure-record.ts";
import { quarantineByOperator } from "../../../supervisor/policy/lifecycle/quarantine.ts";
import { ADMITS, anyPrint, ENTRY, hostWithFakes } from "../../support/fake-cluster-parts.ts";
import { type FakeWorker, FINISH, REQUEST, settled } from "../../support/fake-worker.ts";

const never = new AbortController().signal;
const soon = () => performance.now() + 30_000;
const print = (name: string) => () => name;
const MINUTE = 60_000;

/** Keeps records by key, and holds what is being saved back while `holds` is true. */
class FakeHistory {
  readonly records = new Map<string, FailureRecord>();
  readonly port: HostPorts["history"];
  holds = false;
  runtimeKnown = true;
  #held: (() => void)[] = [];

  constructor() {
    this.port = {
      numbers: QUARANTINE_DEFAULTS,
      keyOf: ({ digest }) => (this.runtimeKnown ? digest : null),
      read: (key) => this.records.get(key) ?? NO_FAILURES,
      save: async (key, _model, record) => {
        if (this.holds) await new Promise<void>((resolve) => this.#held.push(resolve));
        this.records.set(key, record);
      },
    };
  }

  letGo(): void {
    this.holds = false;
    for (const save of this.#held.splice(0)) save();
  }

  get record(): FailureRecord {
    return this.records.get("d1") ?? NO_FAILURES;
  }
}

type Options = Parameters<typeof hostWithFakes>[0];

function hosting({ ports, ...options }: NonNullable<Options> = {}) {
  const history = new FakeHistory();
  const fakes = hostWithFakes({ ...options, ports: { history: history.port, ...ports } });
  const newest = () => fakes.workers.at(-1) as FakeWorker;
  return { ...fakes, history, newest };
}

/** Loads the model and crashes it until it is quarantined, each time with another request. */
async function quarantined(options: NonNullable<Options> = {}) {
  const fakes = hosting(options);
  await fakes.host.load(never);
  await crash(fakes, 3);
  return fakes;
}

/** Crashes the worker so often; an operator's load goes past the restart delay. */
async function crash({ host, newest }: { host: ModelHost; newest: () => FakeWorker }, times: number) {
  for (let time = 1; time <= times; time++) {
    newest().die({ signal: "SIGSEGV" });
    await settled();
    if (time < times) await host.load(never);
  }
}

/** What came of it: the error's code, or the worker's number. */
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "ok",
    (error: { code?: string }) => error.code ?? String(error),
  );

describe("three crashes in a row", () => {
  it("quarantine the model: asked for, it answers 409 with level, failures and time, and starts nothing", async () => {
    const before = Date.now();
    const { host, workers } = await quarantined({ mayStart: true });
    expect(workers).toHaveLength(3);
    const refused = await host.ensureReady(soon(), never, anyPrint()).catch((error) => error);
    expect(refused).toMatchObject({
      code: "model_unstable",
      retryable: false,
      details: { cause: "native_segv", level: 1, failures: 3, until: expect.any(String) },
      message: expect.stringContaining("lmx release m"),
    });
    const stay = Date.parse(refused.details.until) - before;
    expect(stay).toBeGreaterThanOrEqual(15 * MINUTE);
    expect(stay).toBeLessThan(16 * MINUTE);
    await expect(host.load(never)).rejects.toMatchObject({ code: "model_unstable" });
    host.startAutomatically();
    await settled();
    expect(workers).toHaveLength(3);
    expect(host.readiness()).toMatchObject({
      state: "quarantined",
      failures: 3,
      quarantine: { level: 1, until: refused.details.until },
    });
    expect(host.use).toBeNull();
  });

  it("are not forgotten because the load succeeded in between", async () => {
    const { history, outcomes } = await quarantined();
    expect(outcomes).toEqual(["pass", "pass", "pass"]);
    expect(history.record).toMatchObject({ failures: 3, level: 1, standing: { kind: "quarantined" } });
  });

  it("are told to whoever was held, who is woken by them", async () => {
    const { host, newest } = hosting({ manual: ["canary"] });
    host.startAutomatically();
    const held = codeOf(host.ensureReady(performance.now() + 60_000, never, anyPrint()));
    for (let time = 0; time < 3; time++) {
      await settled();
      newest().die({ signal: "SIGABRT" });
      await settled();
      if (time < 2) void codeOf(host.load(never));
    }
    expect(await held).toBe("model_unstable");
  });

  it("count over restarts of the service", async () => {
    const { history } = await quarantined();
    const { host, workers } = hostWithFakes({ mayStart: true, ports: { history: history.port } });
    await settled();
    expect(host.readiness()).toMatchObject({ state: "quarantined", failures: 3, quarantine: { level: 1 } });
    expect(await codeOf(host.ensureReady(soon(), never, anyPrint()))).toBe("model_unstable");
    host.startAutomatically();
    await settled();
    expect(workers).toEqual([]);
  });

  it("are three also when each was a failed canary", async () => {
    const fakes = hosting({ manual: ["canary"] });
    for (let time = 0; time < 3; time++) {
      const load = codeOf(fakes.host.load(never));
      await settled();
      const asked = fakes.newest().asked.find(({ method }) => method === "canary");
      asked?.refuse("internal_error", "NaN");
      expect(await load).toBe("model_canary_failed");
      await settled();
    }
    expect(fakes.host.readiness()).toMatchObject({ state: "quarantined", failures: 3 });
    expect(fakes.workers.map(({ stops }) => stops.length)).toEqual([1, 1, 1]);
  });

  it("are none when the worker said that another process was to blame, however often", async () => {
    const fakes = hosting();
    for (let time = 0; time < 5; time++) {
      await fakes.host.load(never);
      fakes.newest().say("fatal", { cause: "gpu_collateral", message: "innocent victim" });
      fakes.newest().die({ code: 70 });
      await settled();
    }
    await fakes.host.load(never);
    expect(fakes.host.readiness()).toMatchObject({ state: "routable", failures: 0 });
  });
});

describe("a quarantine", () => {
  it("is on the disk before anybody is refused for it", async () => {
    const fakes = hosting({ mayStart: true });
    await fakes.host.load(never);
    await crash(fakes, 2);
    await fakes.host.load(never);
    fakes.history.holds = true;
    fakes.newest().die({ signal: "SIGSEGV" });
    await settled();
    const told: string[] = [];
    const tell = (name: string, work: Promise<unknown>) =>
      void codeOf(work).then((code) => told.push(`${name} ${code} ${fakes.history.record.standing.kind}`));
    tell("request", fakes.host.ensureReady(soon(), never, anyPrint()));
    tell("load", fakes.host.load(never));
    await settled();
    expect(told).toEqual([]);
    fakes.history.letGo();
    await settled();
    expect(told.toSorted()).toEqual([
      "load model_unstable quarantined",
      "request model_unstable quarantined",
    ]);
    expect(fakes.host.readiness().state).toBe("quarantined");
  });

  it("is not shown before it is on the disk, whoever asks meanwhile", async () => {
    const fakes = hosting({ mayStart: true });
    await fakes.host.load(never);
    await crash(fakes, 2);
    await fakes.host.load(never);
    fakes.history.holds = true;
    fakes.newest().die({ signal: "SIGSEGV" });
    await settled();
    expect(fakes.host.readiness().state).not.toBe("quarantined");
    fakes.host.startAutomatically();
    expect(fakes.host.readiness().state).not.toBe("quarantined");
    fakes.history.letGo();
    await settled();
    expect(fakes.host.readiness().state).toBe("quarantined");
  });

  it("is not shown before it is on the disk, not even when its worker leaves meanwhile", async () => {
    const fakes = hosting({ manual: ["canary", "shutdown"] });
    for (let time = 0; time < 2; time++) {
      const load = codeOf(fakes.host.load(never));
      await settled();
      fakes.newest().die({ signal: "SIGSEGV" });
      await load;
    }
    const load = codeOf(fakes.host.load(never));
    await settled();
    fakes.history.holds = true;
    // The worker is asked to leave, and its exit is another event after the quarantine.
    fakes
      .newest()
      .asked.find(({ method }) => method === "canary")
      ?.refuse("internal_error", "NaN");
    await settled();
    expect(fakes.newest().stops).toHaveLength(1);
    expect(fakes.host.readiness().state).not.toBe("quarantined");
    fakes.history.letGo();
    expect(await load).toBe("model_canary_failed");
    expect(fakes.host.readiness().state).toBe("quarantined");
  });

  it("falls to the next asker when its time has passed, who gets the one try with everybody else", async () => {
    const { host, workers, history } = await quarantined({ mayStart: true });
    const { standing } = history.record;
    if (standing.kind !== "quarantined") throw new Error(standing.kind);
    const past: FailureRecord = { ...history.record, standing: { ...standing, until: Date.now() - 1 } };
    history.records.set("d2", past);
    host.refresh({ ...ENTRY, digest: "d2" });
    expect(host.readiness().state).toBe("quarantined");
    const slots = [0, 1].map(() => host.ensureReady(soon(), never, anyPrint()));
    (await Promise.race(slots)).release("finished");
    await Promise.all(slots);
    expect(workers).toHaveLength(4);
    expect(host.readiness()).toMatchObject({ state: "routable", detail: "probation" });
  });
});

describe("released by an operator", () => {
  it("it is tried once at once, and is on probation when that goes well", async () => {
    const fakes = await quarantined();
    expect(await fakes.host.release()).toMatchObject({ model_id: "m" });
    await settled();
    expect(fakes.workers).toHaveLength(4);
    expect(fakes.host.readiness()).toMatchObject({ state: "routable", detail: "probation" });
    expect(fakes.history.record.standing.kind).toBe("probation");
  });

  it("it is half open while it is tried, and that is on the disk", async () => {
    const fakes = await quarantined();
    const manual = hosting({ manual: ["load"], ports: { history: fakes.history.port } });
    await manual.host.release();
    await settled();
    expect(manual.host.readiness()).toMatchObject({ state: "loading", detail: "half_open" });
    expect(fakes.history.record.standing.kind).toBe("half-open");
    // Whoever is impatient gets no second worker.
    await manual.host.release();
    manual.host.startAutomatically();
    await settled();
    expect(manual.workers).toHaveLength(1);
    manual.newest().die({ signal: "SIGSEGV" });
    await settled();
    expect(manual.host.readiness()).toMatchObject({ state: "quarantined", quarantine: { level: 2 } });
    expect(fakes.history.record).toMatchObject({ level: 2, failedProbes: 1 });
    expect(manual.workers).toHaveLength(1);
  });

  it("it serves one request at a time", async () => {
    const fakes = await quarantined();
    await fakes.host.release();
    const first = await fakes.host.ensureReady(soon(), never, anyPrint());
    let second: string | null = null;
    const waiting = fakes.host.ensureReady(soon(), never, anyPrint());
    void waiting.then(({ session }) => (second = `pid ${session.pid}`));
    await settled();
    expect(second).toBeNull();
    first.release("finished");
    const slot = await waiting;
    expect(slot.session.pid).toBe(1003);
    expect(await codeOf(fakes.host.ensureReady(performance.now() + 5, never, anyPrint()))).toBe(
      "rate_limit_exceeded",
    );
  });

  it("owners take turns at the one place it has", async () => {
    const { host } = await quarantined();
    await host.release();
    const order: string[] = [];
    const acquire = async (name: string) => {
      const slot = await host.ensureReady(soon(), never, anyPrint(), { owner: name.slice(0, 1) });
      order.push(name);
      return slot;
    };
    const [first, ...waiting] = ["a1", "a2", "a3", "b1", "b2"].map(acquire);
    (await first)?.release("finished");
    await Promise.all(waiting.map(async (slot) => (await slot).release("finished")));
    expect(order).toEqual(["a1", "b1", "a2", "b2", "a3"]);
  });

  it("it is trusted again after enough requests and time, and those who waited are let in together", async () => {
    const fakes = await quarantined();
    const numbers = { ...QUARANTINE_DEFAULTS, probationMs: 0, probationRequests: 2 };
    const { host, newest } = hosting({ ports: { history: { ...fakes.history.port, numbers } } });
    await host.release();
    const first = await host.ensureReady(soon(), never, anyPrint());
    const waiting = [0, 1].map(() => host.ensureReady(soon(), never, anyPrint()));
    for (const id of ["r1", "r2"]) {
      void first.session.generate(id, REQUEST, { onRow: () => {}, onLost: () => {} });
      await settled();
      expect(host.readiness().detail).toBe("probation");
      newest().row([FINISH], id);
    }
    await Promise.all(waiting);
    expect(host.readiness()).toMatchObject({ state: "routable", detail: null, failures: 0 });
    await settled();
    expect(fakes.history.record).toMatchObject({ failures: 0, standing: { kind: "free" } });
  });

  it("it goes back at the first crash, for longer, without another try", async () => {
    const fakes = await quarantined({ mayStart: true });
    await fakes.host.release();
    await settled();
    fakes.newest().die({ signal: "SIGSEGV" });
    await settled();
    expect(fakes.workers).toHaveLength(4);
    const { quarantine, state } = fakes.host.readiness();
    expect([state, quarantine?.level]).toEqual(["quarantined", 2]);
    const stay = Date.parse(quarantine?.until ?? "") - Date.now();
    expect(stay).toBeGreaterThan(29 * MINUTE);
    expect(await codeOf(fakes.host.ensureReady(soon(), never, anyPrint()))).toBe("model_unstable");
    expect(fakes.workers).toHaveLength(4);
  });

  it("and unloaded in the middle of the try, nothing is held against it and it rests", async () => {
    const fakes = await quarantined();
    const manual = hosting({ manual: ["load"], ports: { history: fakes.history.port } });
    await manual.host.release();
    await settled();
    await manual.host.unload(never);
    expect(manual.host.readiness()).toMatchObject({ state: "quarantined", quarantine: { level: 1 } });
    expect(manual.workers[0]?.stops).toEqual(["orderly"]);
    expect(fakes.history.record).toMatchObject({ level: 1, failures: 3, failedProbes: 0 });
  });

  it("leaves a model alone that is not quarantined", async () => {
    const { host, workers } = hosting();
    expect(await host.release()).toMatchObject({ readiness: { state: "unloaded" } });
    await host.load(never);
    expect(await host.release()).toMatchObject({ readiness: { state: "routable" } });
    expect(workers).toHaveLength(1);
  });
});

describe("a request at two crashes", () => {
  it("is refused, was counted once, and others are served", async () => {
    const fakes = hosting({ mayStart: true });
    const { host } = fakes;
    for (let time = 0; time < 2; time++) {
      const slot = await host.ensureReady(soon(), never, print("poison"));
      expect(slot.isSuspect).toBe(time > 0);
      fakes.newest().die({ signal: "SIGSEGV" });
      await settled();
    }
    await expect(host.ensureReady(soon(), never, print("poison"))).rejects.toMatchObject({
      code: "request_suspected",
      retryable: false,
    });
    expect(host.isRefused(print("poison"))).toBe(true);
    expect(host.readiness().failures).toBe(1);
    const innocent = await host.ensureReady(soon(), never, print("innocent"));
    expect(innocent.session.pid).toBe(1002);
    expect(host.readiness()).toMatchObject({ state: "routable", failures: 1 });
    expect(fakes.history.record).toMatchObject({ failures: 1 });
  });

  it("runs alone at the second, and innocents wait for it to end", async () => {
    const fakes = hosting({ mayStart: true });
    const { host } = fakes;
    const first = await Promise.all(["a", "b"].map((name) => host.ensureReady(soon(), never, print(name))));
    expect(first.map(({ isSuspect }) => isSuspect)).toEqual([false, false]);
    fakes.newest().die({ signal: "SIGSEGV" });
    await settled();
    const suspect = await host.ensureReady(soon(), never, print("a"));
    expect(suspect.isSuspect).toBe(true);
    const order: string[] = [];
    const others = ["b", "c"].map(async (name) => {
      const slot = await host.ensureReady(soon(), never, print(name));
      order.push(name);
      return slot;
    });
    await settled();
    expect(order).toEqual([]);
    suspect.release("finished");
    await settled();
    // b is a suspect as well, so either it or c has the worker to itself now.
    expect(order).toHaveLength(1);
    (await (order[0] === "b" ? others[0] : others[1]))?.release("finished");
    await Promise.all(others);
    expect(order.toSorted()).toEqual(["b", "c"]);
  });

  it("is nobody's fault when the worker was killed from outside", async () => {
    const fakes = hosting({ mayStart: true });
    for (let time = 0; time < 2; time++) {
      const slot = await fakes.host.ensureReady(soon(), never, print("a"));
      expect(slot.isSuspect).toBe(false);
      fakes.newest().die({ signal: "SIGKILL" });
      await settled();
    }
    expect(fakes.host.isRefused(print("a"))).toBe(false);
  });

  it("is not blamed for the death of a worker that was asked to leave", async () => {
    const fakes = hosting({ mayStart: true });
    const slot = await fakes.host.ensureReady(soon(), never, print("a"));
    void slot.session.generate("r", REQUEST, { onRow: () => {}, onLost: () => {} }).catch(() => {});
    await settled();
    const unloaded = fakes.host.unload(never);
    fakes.newest().die({ signal: "SIGSEGV" });
    await unloaded;
    slot.release("over");
    expect((await fakes.host.ensureReady(soon(), never, print("a"))).isSuspect).toBe(false);
    expect(fakes.host.readiness().failures).toBe(0);
  });

  it("is not told of requests that were over before the crash", async () => {
    const fakes = hosting({ mayStart: true });
    const slot = await fakes.host.ensureReady(soon(), never, print("a"));
    const answer = slot.session.generate("r", REQUEST, { onRow: () => {}, onLost: () => {} });
    await answer;
    fakes.newest().row([FINISH]);
    slot.release("finished");
    fakes.newest().die({ signal: "SIGSEGV" });
    await settled();
    expect((await fakes.host.ensureReady(soon(), never, print("a"))).isSuspect).toBe(false);
  });
});

describe("an operator's quarantine", () => {
  const by = (host: ModelHost) => host.quarantine("bad answers", never);
  const expectOut = (host: ModelHost) =>
    expect(host.readiness()).toMatchObject({
      state: "quarantined",
      reason: { code: "model_unstable", message: expect.stringContaining("bad answers") },
      quarantine: { until: null },
      failures: 0,
    });

  it("keeps an unloaded model out until it is released", async () => {
    const { host, workers, history } = hosting({ mayStart: true });
    await by(host);
    expectOut(host);
    expect(history.record.standing).toEqual({
      kind: "quarantined",
      until: null,
      rule: "operator",
      cause: "bad answers",
    });
    expect(await codeOf(host.ensureReady(soon(), never, anyPrint()))).toBe("model_unstable");
    expect(await codeOf(host.load(never))).toBe("model_unstable");
    expect(workers).toEqual([]);
    await host.release();
    await settled();
    expect(host.readiness()).toMatchObject({ state: "routable", detail: "probation" });
  });

  it("stops an admission check, and its late answer changes nothing", async () => {
    const answer = Promise.withResolvers<Awaited<ReturnType<HostPorts["admission"]["examine"]>>>();
    const released: string[] = [];
    let signal: AbortSignal | null = null;
    const admission: HostPorts["admission"] = {
      examine: (_entry, options) => {
        signal = options.signal;
        return answer.promise;
      },
      release: (id) => void released.push(id),
    };
    const { host, workers } = hosting({ ports: { admission } });
    const load = codeOf(host.load(never));
    await settled();
    await by(host);
    expect(await load).toBe("model_unstable");
    expect((signal as AbortSignal | null)?.aborted).toBe(true);
    released.length = 0;
    answer.resolve(await ADMITS.examine(ENTRY, {} as never));
    await settled();
    expectOut(host);
    expect(workers).toEqual([]);
    // What the late answer had set aside is given back.
    expect(released).toEqual(["m"]);
  });

  it.each(["initialize", "load", "canary"] as const)("ends a worker in its %s", async (manual) => {
    const { host, workers } = hosting({ manual: [manual] });
    const load = codeOf(host.load(never));
    await settled();
    await by(host);
    expect(await load).toBe("model_unstable");
    expectOut(host);
    expect(workers).toHaveLength(1);
    expect(workers[0]?.stops).toEqual(["orderly"]);
  });

  it("leaves the load queue to others", async () => {
    const one = hosting({ manual: ["load"] });
    const loads = one.host;
    void codeOf(loads.load(never));
    await settled();
    await by(loads);
    await loads.release();
    await settled();
    expect(one.workers).toHaveLength(2);
  });

  it("lets a routable model finish what runs, gives it nothing new, and ends it then", async () => {
    const { host, workers, newest } = hosting({ mayStart: true });
    await host.load(never);
    const slot = await host.ensureReady(soon(), never, anyPrint());
    let finished = false;
    void slot.session
      .generate("r", REQUEST, { onRow: () => (finished = true), onLost: () => {} })
      .catch(() => {});
    await settled();
    const out = by(host);
    await settled();
    expectOut(host);
    expect(newest().stops).toEqual([]);
    expect(await codeOf(host.ensureReady(soon(), never, anyPrint()))).toBe("model_unstable");
    newest().row([FINISH], "r");
    await out;
    expect(finished).toBe(true);
    expect(newest().stops).toEqual(["orderly"]);
    expect(workers).toHaveLength(1);
  });

  it("takes over a model that is draining, and counts nothing when its worker crashes meanwhile", async () => {
    const { host, newest, history, workers } = hosting();
    await host.load(never);
    const { session } = await host.ensureReady(soon(), never, anyPrint());
    void session.generate("r", REQUEST, { onRow: () => {}, onLost: () => {} }).catch(() => {});
    await settled();
    const unloaded = host.unload(never);
    const out = by(host);
    newest().die({ signal: "SIGSEGV" });
    await Promise.all([unloaded, out]);
    expectOut(host);
    expect(history.record.failures).toBe(0);
    expect(workers).toHaveLength(1);
  });

  it("takes over a model that waits out its restart delay, which then starts nothing", async () => {
    const { host, newest, workers } = hosting({ ports: { random: () => 0 } });
    await host.load(never);
    for (const _ of [1, 2]) {
      newest().die({ signal: "SIGSEGV" });
      await settled();
    }
    expect(host.readiness()).toMatchObject({ state: "admitted", detail: "backoff" });
    const started = workers.length;
    await by(host);
    expect(host.readiness()).toMatchObject({ state: "quarantined", quarantine: { until: null } });
    await settled();
    expect(workers).toHaveLength(started);
  });

  it("replaces a quarantine by failures, and does not end when that would", async () => {
    const { host, history } = await quarantined({ mayStart: true });
    await by(host);
    expect(host.readiness().quarantine).toMatchObject({ until: null, level: 1 });
    expect(history.record.standing).toMatchObject({ until: null, rule: "operator" });
  });

  it("holds for the files on disk: other files are another key, with its own history", async () => {
    const { host, history } = hosting({ mayStart: true });
    await by(host);
    host.refresh({ ...ENTRY, digest: "d2" });
    expect(host.readiness()).toMatchObject({ state: "unloaded", reason: null, quarantine: null });
    (await host.ensureReady(soon(), never, anyPrint())).release("over");
    await host.unload(never);
    host.refresh(ENTRY);
    await settled();
    expectOut(host);
    expect(history.records.get("d2")).toBeUndefined();
  });
});

describe("another key", () => {
  it("has no history, and the old one keeps its own", async () => {
    const { host, history } = await quarantined();
    host.refresh({ ...ENTRY, digest: "d2" });
    expect(host.readiness()).toMatchObject({
      state: "unloaded",
      failures: 0,
      quarantine: null,
      reason: null,
    });
    await host.load(never);
    expect(host.readiness()).toMatchObject({ state: "routable", detail: null, failures: 0 });
    expect(history.record).toMatchObject({ failures: 3, level: 1 });
  });

  it("comes into force when the worker of the old one is gone, which still counts for the old", async () => {
    const fakes = hosting();
    await fakes.host.load(never);
    fakes.host.refresh({ ...ENTRY, digest: "d2" });
    expect(fakes.host.readiness().state).toBe("routable");
    fakes.newest().die({ signal: "SIGSEGV" });
    await settled();
    expect(fakes.history.record).toMatchObject({ failures: 1 });
    expect(fakes.history.records.get("d2")).toBeUndefined();
  });
});

it("a key that changed under a live worker counts from the next worker on", async () => {
  const fakes = hosting();
  await fakes.host.load(never);
  fakes.host.refresh({ ...ENTRY, digest: "d2" });
  await fakes.host.unload(never);
  await fakes.host.load(never);
  fakes.newest().die({ signal: "SIGSEGV" });
  await settled();
  expect(fakes.history.records.get("d2")).toMatchObject({ failures: 1 });
  expect(fakes.history.record).toEqual(NO_FAILURES);
});

describe("while the runtime is still being built", () => {
  it("an operator's quarantine is not lost when it stands", async () => {
    const history = new FakeHistory();
    history.runtimeKnown = false;
    const { host } = hostWithFakes({ ports: { history: history.port } });
    await host.quarantine("bad answers", never);
    history.runtimeKnown = true;
    host.refresh();
    await settled();
    expect(host.readiness().state).toBe("quarantined");
    expect(history.record.standing).toMatchObject({ rule: "operator" });
  });

  it("a load that was asked for respects the quarantine of earlier starts once it stands", async () => {
    const { history } = await quarantined();
    history.runtimeKnown = false;
    const built = Promise.withResolvers<void>();
    const admission: HostPorts["admission"] = {
      ...ADMITS,
      examine: async (...asked) => {
        await built.promise;
        return await ADMITS.examine(...asked);
      },
    };
    const { host, workers } = hostWithFakes({ ports: { history: history.port, admission } });
    const load = codeOf(host.load(never));
    await settled();
    history.runtimeKnown = true;
    host.refresh();
    built.resolve();
    expect(await load).toBe("model_unstable");
    expect(workers).toEqual([]);
  });

  it("a load that was asked for counts its crashes, and three quarantine", async () => {
    const history = new FakeHistory();
    history.runtimeKnown = false;
    const built = Promise.withResolvers<void>();
    const admission: HostPorts["admission"] = {
      ...ADMITS,
      examine: async (...asked) => {
        await built.promise;
        return await ADMITS.examine(...asked);
      },
    };
    const fakes = hostWithFakes({ ports: { history: history.port, admission } });
    const load = fakes.host.load(never);
    history.runtimeKnown = true;
    fakes.host.refresh();
    built.resolve();
    await load;
    await crash({ host: fakes.host, newest: () => fakes.workers.at(-1) as FakeWorker }, 3);
    expect(fakes.host.readiness()).toMatchObject({ state: "quarantined", failures: 3 });
    expect(history.record).toMatchObject({ failures: 3, standing: { kind: "quarantined" } });
  });
});

/** Refuses for want of memory, and counts how often it was asked. */
function noMemory() {
  const asked = { times: 0 };
  const admission: HostPorts["admission"] = {
    ...ADMITS,
    examine: async (...question) => {
      asked.times += 1;
      // Without this bound a loop would hang the test instead of failing it.
      if (asked.times > 20) return await ADMITS.examine(...question);
      const reason = { code: "insufficient_memory", cause: "memory", message: "memory: needs 9 GiB" };
      return {
        ...(await ADMITS.examine(...question)),
        failure: { class: "environment", reason, details: { checks: [] } },
      };
    },
  };
  return { admission, asked };
}

describe("a request that starts a model", () => {
  it("which is refused for memory gets that error, after one look", async () => {
    const { admission, asked } = noMemory();
    const { host, workers } = hosting({ mayStart: true, ports: { admission } });
    const slots = [0, 1, 2].map(() => host.ensureReady(soon(), never, anyPrint()));
    for (const slot of slots)
      await expect(slot).rejects.toMatchObject({
        code: "insufficient_memory",
        message: expect.stringContaining("needs 9 GiB"),
      });
    expect(asked.times).toBeLessThanOrEqual(3);
    expect(workers).toEqual([]);
    // The next one looks again: memory may be free by then.
    const before = asked.times;
    await codeOf(host.ensureReady(soon(), never, anyPrint()));
    expect(asked.times).toBe(before + 1);
  });

  it("whose quarantine is over gets the error of memory as well, after one look", async () => {
    const { history } = await quarantined();
    release(history);
    const { admission, asked } = noMemory();
    const { host, workers } = hosting({ mayStart: true, ports: { admission, history: history.port } });
    expect(await codeOf(host.ensureReady(soon(), never, anyPrint()))).toBe("insufficient_memory");
    expect(asked.times).toBe(1);
    expect(workers).toEqual([]);
  });

  it("whose quarantine is over, on a broken runtime, is told so and tries once", async () => {
    const { history } = await quarantined();
    release(history);
    let launches = 0;
    const launch = async () => {
      launches += 1;
      // Without this bound a loop would hang the test instead of failing it.
      if (launches > 20) return await new Promise<never>(() => {});
      throw new Error("spawn ENOENT");
    };
    const { host } = hosting({ mayStart: true, ports: { launch, history: history.port } });
    const answer = await Promise.race([
      codeOf(host.ensureReady(soon(), never, anyPrint())),
      new Promise<string>((resolve) => setTimeout(() => resolve("no answer"), 150)),
    ]);
    expect([answer, launches]).toEqual(["worker_runtime_broken", 1]);
  });

  it("comes back from a fault of ours before there was a process, more slowly each time", async () => {
    let faults = 2;
    const memoryBack = async () => {
      if (faults-- > 0) throw new Error("a bug of ours");
    };
    const { host, workers, newest } = hosting({ ports: { memoryBack } });
    await host.load(never);
    newest().die({ signal: "SIGSEGV" });
    await settled();
    const { session } = await host.ensureReady(soon(), never, anyPrint());
    expect(session.pid).toBe(1001);
    expect(workers).toHaveLength(2);
    expect(host.readiness().failures).toBe(1);
  });

  it("waits for the runtime only when no worker could be started, not when its load lacked something", async () => {
    for (const manual of ["initialize", "load"] as const) {
      const { host, newest } = hosting({ manual: [manual] });
      host.startAutomatically();
      await settled();
      // A row of the table of causes that is the runtime's at any time of a load.
      newest().die({ code: 1, stderrTail: "RuntimeError: There is no Stream(gpu, 1)\n" });
      await settled();
      expect([manual, host.readiness().state, host.waitsForRuntime]).toEqual([
        manual,
        "unloaded",
        manual === "initialize",
      ]);
    }
  });

  it("does not start it again when an operator unloads it meanwhile", async () => {
    const { host, workers } = hosting({ mayStart: true, manual: ["load"] });
    const held = codeOf(host.ensureReady(soon(), never, anyPrint()));
    await settled();
    await host.unload(never);
    await settled();
    expect(workers).toHaveLength(1);
    expect(await Promise.race([held, settled().then(() => "held")])).toBe("model_not_ready");
  });
});

/** The time of its quarantine is over: whoever asks may try it. */
function release(history: FakeHistory): void {
  const { standing } = history.record;
  if (standing.kind !== "quarantined") throw new Error(standing.kind);
  history.records.set("d1", { ...history.record, standing: { ...standing, until: Date.now() - 1 } });
}

it("an operator's quarantine of an earlier start is in force from the first moment", async () => {
  const history = new FakeHistory();
  history.records.set("d1", quarantineByOperator(NO_FAILURES, "by hand", Date.now()).record);
  const { host, workers } = hosting({ mayStart: true, ports: { history: history.port } });
  expect(await codeOf(host.ensureReady(soon(), never, anyPrint()))).toBe("model_unstable");
  expect(workers).toEqual([]);
});
