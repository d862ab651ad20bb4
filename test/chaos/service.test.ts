import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect } from "vitest";
import { processStartTime } from "../../supervisor/host/process-start-time.ts";
import {
  NO_FAILURES,
  QUARANTINE_DEFAULTS,
  stayMs,
} from "../../supervisor/policy/lifecycle/failure-record.ts";
import { countFailure, mayStart } from "../../supervisor/policy/lifecycle/quarantine.ts";
import { decideStart, type ServiceStart } from "../../supervisor/policy/service/service-start.ts";
import { isAlive, isGone } from "../support/running-supervisor.ts";
import { tinyModels } from "../support/tiny-models.ts";
import { chaosConfig } from "./chaos-config.ts";
import { BYSTANDER, type ChaosOptions, ChaosService, type Habit } from "./chaos-service.ts";
import { workersOf, zombiesOf } from "./processes.ts";
import { row, slowRow } from "./row.ts";
import { waitUntil } from "./wait-until.ts";
import { expectRegistryParses, withBystander } from "./with-bystander.ts";

/** These rows are about the service itself, so each has one of its own. */
const running: ChaosService[] = [];
const helpers: ChildProcess[] = [];

async function start(options: Partial<ChaosOptions> = {}): Promise<ChaosService> {
  const chaos = await ChaosService.start({ workers: "fixture", ...options });
  running.push(chaos);
  return chaos;
}

afterEach(async () => {
  for (const helper of helpers.splice(0)) helper.kill("SIGKILL");
  await Promise.all(running.splice(0).map((chaos) => chaos.dispose()));
});

/** Ten times the two seconds the design gives workers to follow their supervisor. Milliseconds. */
const ORPHANS_MS = 20_000;

function readState<T>(chaos: ChaosService, name: string): T[] {
  const file = join(chaos.home, name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { rows: T[] }).rows : [];
}

function changeState<T>(chaos: ChaosService, name: string, change: (entry: T) => T): void {
  const file = join(chaos.home, name);
  const document = JSON.parse(readFileSync(file, "utf8")) as { rows: T[] };
  writeFileSync(file, JSON.stringify({ ...document, rows: document.rows.map(change) }));
}

const startsOf = (chaos: ChaosService) => readState<ServiceStart>(chaos, "starts.json");

async function noWorkerIsLeft(chaos: ChaosService): Promise<void> {
  await waitUntil("no worker is left", () => workersOf(chaos.home).length === 0, ORPHANS_MS);
}

describe("kill -9 of the supervisor", () => {
  row(
    "S1",
    "fixture",
    "with workers idle, generating, loading, wedged and stopped: all gone, one unclean end",
    async () => {
      const chaos = await start();
      await chaos.loaded("s1/idle");
      await chaos.loaded("s1/generating");
      await chaos.loaded("s1/wedged", { habit: "holds_gil" });
      await chaos.loaded("s1/stopped");
      chaos.addModel("s1/loading", { habit: "load_trickles", seconds: 60 });
      process.kill(await chaos.pid("s1/stopped"), "SIGSTOP");
      await chaos.lmx.post("/admin/models/load", { model_id: "s1/loading", wait: false });
      for (const [id, prompt] of [
        ["s1/generating", "hello"],
        ["s1/wedged", "bad"],
      ] as const) {
        const flowing = Promise.withResolvers<void>();
        void chaos.ask(id, prompt, { max_tokens: 100_000 }, () => flowing.resolve());
        await flowing.promise;
      }
      await chaos.lmx.becomes("s1/loading", "loading");
      await waitUntil("it has a worker that loads", () => chaos.pid("s1/loading"), 20_000);
      expect(workersOf(chaos.home).length).toBeGreaterThanOrEqual(6);
      await chaos.killHard();
      await noWorkerIsLeft(chaos);
      expectRegistryParses(chaos.home);
      const again = await start({ home: chaos.home });
      expect(startsOf(again)).toMatchObject([{ stoppedAt: null }, { mode: "normal", stoppedAt: null }]);
      expect(await again.ask(BYSTANDER, "hello")).toMatchObject({ error: null });
    },
  );

  row("S1", "real", "shipped workers idle, generating and stopped: all gone", async () => {
    const chaos = await start({ workers: "real" });
    await chaos.loaded("s1/generating");
    await chaos.loaded("s1/stopped");
    const flowing = Promise.withResolvers<void>();
    void chaos.ask("s1/generating", "hello", { max_tokens: 100_000 }, () => flowing.resolve());
    await flowing.promise;
    process.kill(await chaos.pid("s1/stopped"), "SIGSTOP");
    expect(workersOf(chaos.home).length).toBeGreaterThanOrEqual(3);
    await chaos.killHard();
    await noWorkerIsLeft(chaos);
  });

  row(
    "S1",
    "fixture",
    "a worker that outlived it is ended at the next start, and nobody who only looks like it",
    async () => {
      const chaos = await start();
      await chaos.killHard();
      await noWorkerIsLeft(chaos);
      const sleeper = (token: string) => {
        const child = spawn("python3", ["-c", "import time; time.sleep(600)", "--token", token]);
        helpers.push(child);
        return child.pid ?? 0;
      };
      const [orphan, reused, stranger] = [sleeper("aaaaaaaa"), sleeper("bbbbbbbb"), sleeper("other")];
      const startTime = async (pid: number) => (await processStartTime(pid)) ?? "";
      const rows = [
        { pid: orphan, startTime: await startTime(orphan), token: "aaaaaaaa" },
        { pid: reused, startTime: "another time", token: "bbbbbbbb" },
        { pid: stranger, startTime: await startTime(stranger), token: "cccccccc" },
      ];
      writeFileSync(join(chaos.home, "workers.json"), JSON.stringify({ schema: 1, rows }));
      const again = await start({ home: chaos.home });
      await waitUntil("the orphan is ended", () => helpers[0]?.signalCode === "SIGKILL", ORPHANS_MS);
      expect([isAlive(reused), isAlive(stranger)]).toEqual([true, true]);
      expect(readState<{ token: string }>(again, "workers.json").map(({ token }) => token)).not.toContain(
        "bbbbbbbb",
      );
    },
  );

  row(
    "S2",
    "fixture",
    "three times in a row: the fourth start is in safe mode, and an operator leads out of it",
    async () => {
      let chaos = await start();
      const registry = join(chaos.home, "compatibility-registry.json");
      await waitUntil("the bystander is proven", () => existsSync(registry), 10_000);
      for (let ends = 1; ends <= 3; ends++) {
        await chaos.killHard();
        chaos = await start({ home: chaos.home, waits: ends < 3 });
      }
      expect(await chaos.readyz()).toEqual({ status: 503, reason: "safe_mode" });
      expect((await chaos.lmx.fetch("/livez")).status).toBe(200);
      await wait(1_000);
      expect(workersOf(chaos.home)).toEqual([]);
      const refused = await chaos.load(BYSTANDER);
      expect([refused.status, refused.body.error?.code]).toEqual([503, "safe_mode"]);
      expect(await chaos.ask(BYSTANDER, "hello")).toMatchObject({ error: "safe_mode" });
      chaos.addModel("s2/by-hand");
      expect((await chaos.load("s2/by-hand", { override_safe_mode: true })).status).toBe(200);
      expect(await chaos.ask("s2/by-hand", "hello")).toMatchObject({ error: null });
      expect((await chaos.admin("/admin/safe-mode/leave", {})).body).toEqual({ left: true });
      await chaos.lmx.becomes(BYSTANDER, "routable");
      expect((await chaos.readyz()).status).toBe(200);
    },
  );

  row(
    "S2",
    "policy",
    "the same with five minutes between the ends, but not with seven hours or a clean stop",
    () => {
      const MINUTE_MS = 60_000;
      const starts = (minutes: number, changes: Partial<ServiceStart> = {}): ServiceStart[] =>
        [0, 1, 2].map((n) => ({
          startedAt: n * minutes * MINUTE_MS,
          bootId: "boot",
          pid: 1,
          mode: "normal",
          steadyAt: null,
          leftSafeModeAt: null,
          stoppedAt: null,
          ...(n === 1 ? changes : {}),
        }));
      const modeAfter = (earlier: ServiceStart[], minutes: number) =>
        decideStart(earlier, { now: 3 * minutes * MINUTE_MS, bootId: "boot" }).mode;
      expect(modeAfter(starts(5), 5)).toBe("safe-mode");
      expect(modeAfter(starts(7 * 60), 7 * 60)).toBe("normal");
      expect(modeAfter(starts(5, { stoppedAt: 6 * MINUTE_MS }), 5)).toBe("normal");
      expect(modeAfter(starts(15, { steadyAt: 25 * MINUTE_MS }), 15)).toBe("normal");
    },
  );

  row(
    "S3",
    "fixture",
    "the machine went down while a model was being loaded: left out of the next start, once",
    async () => {
      const chaos = await start();
      expect(readState(chaos, "load-intents.json")).toHaveLength(1);
      await chaos.killHard();
      changeState<{ bootId: string }>(chaos, "load-intents.json", (intent) => ({
        ...intent,
        bootId: "another boot",
      }));
      const suspicious = await start({ home: chaos.home, waits: false });
      await waitUntil(
        "an event names the model",
        () =>
          suspicious
            .logLines()
            .some((line) => line.model === BYSTANDER && /not loaded at this start/.test(String(line.msg))),
        20_000,
      );
      const { readiness } = await suspicious.model(BYSTANDER);
      expect([readiness.state, readiness.failures, readiness.quarantine]).toEqual(["unloaded", 0, null]);
      await suspicious.lmx.stop("SIGTERM");
      const trusting = await start({ home: chaos.home });
      expect((await trusting.model(BYSTANDER)).readiness.state).toBe("routable");
    },
  );

  row(
    "S3",
    "fixture",
    "the same until the service is in safe mode: left out when an operator leads out of it",
    async () => {
      let chaos = await start();
      for (let ends = 1; ends <= 3; ends++) {
        await chaos.killHard();
        if (ends === 3)
          changeState<{ bootId: string }>(chaos, "load-intents.json", (intent) => ({
            ...intent,
            bootId: "another boot",
          }));
        chaos = await start({ home: chaos.home, waits: ends < 3 });
      }
      expect((await chaos.readyz()).reason).toBe("safe_mode");
      expect((await chaos.admin("/admin/safe-mode/leave", {})).body).toEqual({ left: true });
      await waitUntil(
        "an event names the model",
        () => chaos.logLines().some((line) => /not loaded at this start/.test(String(line.msg))),
        20_000,
      );
      expect((await chaos.model(BYSTANDER)).readiness.state).toBe("unloaded");
      expect((await chaos.load(BYSTANDER)).status).toBe(200);
    },
  );
});

/** What a stop finds, and how long it may take at most. Milliseconds. */
const STOP_MS = 40_000;

/** Stops the service and sees to it that this was an orderly end. */
async function stopsCleanly(
  chaos: ChaosService,
  signals: () => void,
  meanwhile: () => Promise<void> = async () => {},
): Promise<void> {
  const began = performance.now();
  signals();
  await meanwhile();
  const stuck = wait(STOP_MS * 2, "stuck" as const, { ref: false });
  expect(await Promise.race([chaos.lmx.exited, stuck])).toEqual({ code: 0, signal: null });
  expect(performance.now() - began).toBeLessThan(STOP_MS);
  expect(startsOf(chaos).at(-1)?.stoppedAt).not.toBeNull();
  const records = readState<{ record: { failures: number } }>(chaos, "quarantine.json");
  expect(records.filter(({ record }) => record.failures > 0)).toEqual([]);
  await noWorkerIsLeft(chaos);
  expect(zombiesOf(process.pid)).toEqual([]);
  expectRegistryParses(chaos.home);
}

describe("asked to stop", () => {
  const states: Record<string, { habit: Habit | null; state: string }> = {
    loading: { habit: { habit: "load_trickles", seconds: 60 }, state: "loading" },
    canary: { habit: { habit: "bad_canary", how: "timeout" }, state: "canary_pending" },
    serving: { habit: null, state: "routable" },
  };
  row(
    "S4",
    "fixture",
    "SIGTERM while a model loads, runs its canary or streams: exit 0, clean mark, nothing counted",
    async () => {
      for (const [name, { habit, state }] of Object.entries(states)) {
        const chaos = await start({ config: { timeouts: { canary_seconds: 30, load_cap_seconds: 60 } } });
        const id = chaos.addModel(`s4/${name}`, ...(habit === null ? [] : [habit]));
        await chaos.lmx.post("/admin/models/load", { model_id: id, wait: false });
        await chaos.lmx.becomes(id, state);
        const stream = chaos.ask(BYSTANDER, "hello", { max_tokens: 200 });
        await wait(200);
        await stopsCleanly(chaos, () => chaos.lmx.process.kill("SIGTERM"));
        expect(await stream).toMatchObject({ error: null, finish: "length" });
      }
    },
  );

  row("S4", "fixture", "SIGTERM in the pause before a restart: exit 0, clean mark", async () => {
    const chaos = await start();
    const id = await chaos.loaded("s4/backoff", { habit: "crashes", at: 1 });
    await chaos.ask(id, "bad 1");
    await chaos.lmx.becomes(id, "routable");
    await chaos.ask(id, "bad 2");
    await waitUntil("it waits", async () => (await chaos.model(id)).readiness.detail === "backoff", 10_000);
    chaos.lmx.process.kill("SIGTERM");
    expect(await chaos.lmx.exited).toEqual({ code: 0, signal: null });
    expect(startsOf(chaos).at(-1)?.stoppedAt).not.toBeNull();
    await noWorkerIsLeft(chaos);
  });

  row(
    "S4",
    "fixture",
    "SIGINT to everybody, as Ctrl-C does, twice within a millisecond: drained, exit 0",
    async () => {
      const chaos = await start();
      const stream = chaos.ask(BYSTANDER, "hello", { max_tokens: 200 });
      await wait(200);
      await stopsCleanly(chaos, () => {
        for (const pid of [chaos.lmx.pid, chaos.lmx.pid, ...workersOf(chaos.home)])
          process.kill(pid, "SIGINT");
      });
      expect(await stream).toMatchObject({ error: null, finish: "length" });
    },
  );

  row(
    "S4",
    "fixture",
    "a second SIGTERM later on hurries: streams end with an error, exit 0, clean mark",
    async () => {
      const chaos = await start({ config: { timeouts: { drain_seconds: 60 } } });
      const stream = chaos.ask(BYSTANDER, "hello", { max_tokens: 100_000 });
      await wait(200);
      await stopsCleanly(chaos, () => {
        chaos.lmx.process.kill("SIGTERM");
        setTimeout(() => chaos.lmx.process.kill("SIGTERM"), 1_500);
      });
      expect((await stream).error).not.toBeNull();
    },
  );

  row(
    "S4",
    "fixture",
    "a load asked for while running answers end is refused, and starts nothing",
    async () => {
      const chaos = await start();
      const id = chaos.addModel("s4/late");
      const stream = chaos.ask(BYSTANDER, "hello", { max_tokens: 200 });
      await waitUntil("it streams", async () => (await chaos.model(BYSTANDER)).worker?.in_flight, 10_000);
      await stopsCleanly(
        chaos,
        () => chaos.lmx.process.kill("SIGTERM"),
        async () => {
          await chaos.lmx.outputShows(/SIGTERM/);
          for (const verb of ["load", "restart", "release"] as const) {
            const answer = await chaos.admin(`/admin/models/${verb}`, { model_id: id });
            expect([answer.status, answer.body.error?.code]).toEqual([503, "server_is_overloaded"]);
          }
        },
      );
      expect(await stream).toMatchObject({ error: null, finish: "length" });
      const moved = chaos.logLines().filter((line) => line.model === id && line.msg === "model state");
      expect(moved).toEqual([]);
    },
  );
});

describe("time", () => {
  slowRow(
    "S5",
    "real",
    "SIGSTOP of the supervisor for longer than its workers wait: they end, and nothing is counted",
    async () => {
      const chaos = await start({ workers: "real" });
      const pid = await chaos.pid(BYSTANDER);
      process.kill(chaos.lmx.pid, "SIGSTOP");
      // The deadman: 90 s without a ping. Its dump fills the pipe that nobody reads, so it may end only when somebody does.
      await wait(100_000);
      process.kill(chaos.lmx.pid, "SIGCONT");
      await chaos.lmx.becomes(BYSTANDER, "routable", pid);
      expect((await chaos.model(BYSTANDER)).readiness.failures).toBe(0);
      const dossiers = await chaos.lmx.fetch(`/admin/models/dossiers?model=${BYSTANDER}`);
      expect(await dossiers.json()).toMatchObject({ data: [{ cause: "deadman", exit_code: 1 }] });
    },
  );

  slowRow(
    "S5",
    "fixture",
    "SIGSTOP of the supervisor for longer than any deadline: nobody is killed on resume",
    async () => {
      const chaos = await start();
      const id = await chaos.loaded("s5/streaming");
      const pids = [await chaos.pid(BYSTANDER), await chaos.pid(id)];
      const stream = chaos.ask(id, "hello", { max_tokens: 1_000 });
      await wait(300);
      process.kill(chaos.lmx.pid, "SIGSTOP");
      // Three pings of 1 s, a progress limit of 2 s, a stall of 2 s.
      await wait(15_000);
      process.kill(chaos.lmx.pid, "SIGCONT");
      expect(await stream).toMatchObject({ error: null, finish: "length" });
      await wait(6_000);
      expect([await chaos.pid(BYSTANDER), await chaos.pid(id)]).toEqual(pids);
      expect(chaos.failures(id).concat(chaos.failures(BYSTANDER))).toEqual([]);
    },
  );

  slowRow(
    "S5",
    "fixture",
    "SIGSTOP of the supervisor while a worker makes no step: it gets its time anew",
    async () => {
      const chaos = await start({ config: { timeouts: { progress_seconds: 8 } } });
      const id = await chaos.loaded("s5/still", { habit: "no_steps" });
      const pid = await chaos.pid(id);
      void chaos.ask(id, "bad");
      await waitUntil("it has work", async () => (await chaos.model(id)).worker?.in_flight, 10_000);
      process.kill(chaos.lmx.pid, "SIGSTOP");
      await wait(10_000);
      process.kill(chaos.lmx.pid, "SIGCONT");
      // Some pings, but not the progress limit.
      await wait(4_000);
      expect([await chaos.pid(id), chaos.failures(id)]).toEqual([pid, []]);
    },
  );

  slowRow("S5", "fixture", "SIGSTOP of the supervisor while a model loads: the load goes on", async () => {
    const chaos = await start({ config: { timeouts: { load_cap_seconds: 60 } } });
    const id = chaos.addModel("s5/loading", { habit: "load_trickles", seconds: 8 });
    const loading = chaos.load(id);
    await waitUntil(
      "it loads",
      async () => (await chaos.model(id)).readiness.state === "loading" && chaos.pid(id),
      20_000,
    );
    process.kill(chaos.lmx.pid, "SIGSTOP");
    // Longer than the stall of 2 s.
    await wait(5_000);
    process.kill(chaos.lmx.pid, "SIGCONT");
    expect((await loading).status).toBe(200);
    expect(chaos.failures(id)).toEqual([]);
  });

  row(
    "S5",
    "fixture",
    "a quarantine that ends beyond a day because the clock was set back ends within one",
    async () => {
      const chaos = await start({ config: { quarantine: { failures: 1 } } });
      const id = await chaos.loaded("s5/clock", { habit: "crashes", at: 1 });
      await chaos.ask(id, "bad");
      await chaos.lmx.becomes(id, "quarantined");
      await chaos.killHard();
      changeState<{ record: { standing: object } }>(chaos, "quarantine.json", (entry) => ({
        ...entry,
        record: {
          ...entry.record,
          standing: { ...entry.record.standing, until: Date.now() + 10 * 86_400_000 },
        },
      }));
      const again = await start({ home: chaos.home, config: { quarantine: { failures: 1 } } });
      const { until } = (await again.model(id)).readiness.quarantine ?? {};
      expect(Date.parse(until ?? "")).toBeLessThan(Date.now() + 86_400_000);
      expect(await again.ask(id, "hello")).toMatchObject({ error: "model_unstable" });
    },
  );

  row("S5", "policy", "a clock a day ahead or behind keeps nobody out longer than the stay", () => {
    const DAY_MS = 86_400_000;
    const numbers = { ...QUARANTINE_DEFAULTS, threshold: 1 };
    for (const shift of [-DAY_MS, DAY_MS]) {
      const at = 100 * DAY_MS;
      const { record } = countFailure(NO_FAILURES, { cause: "hung" }, at, numbers);
      const verdict = mayStart(record, at + shift, numbers);
      if (shift > 0) expect(verdict.kind).toBe("probe");
      else if (verdict.kind === "no")
        expect(verdict.quarantined.until).toBeLessThanOrEqual(at + shift + stayMs(1, numbers));
      else throw new Error(`unexpected verdict ${verdict.kind}`);
    }
  });
});

describe("places that cannot be used", () => {
  const EX_TEMPFAIL = 75;

  row("S6", "fixture", "a port in use: a clear message and exit 75", async () => {
    const squatter = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => squatter.once("listening", resolve));
    const { port } = squatter.address() as { port: number };
    const args = ["--port", String(port)];
    let home: string | undefined;
    // As often as a service manager tries: that is no crash loop.
    for (let tries = 1; tries <= 3; tries++) {
      const chaos = await ChaosService.spawn({
        workers: "fixture",
        args,
        ...(home !== undefined && { home }),
      });
      running.push(chaos);
      ({ home } = chaos);
      expect(await chaos.lmx.exited).toEqual({ code: EX_TEMPFAIL, signal: null });
      expect(chaos.lmx.output).toContain(String(port));
    }
    squatter.close();
    const served = await start({ ...(home !== undefined && { home }) });
    expect((await served.readyz()).status).toBe(200);
  });

  row("S6", "fixture", "a second instance on one state directory: exit 75, the first serves on", async () => {
    const chaos = await start();
    await withBystander(chaos, null, async () => {
      const second = await ChaosService.spawn({ workers: "fixture", home: chaos.home });
      expect(await second.lmx.exited).toEqual({ code: EX_TEMPFAIL, signal: null });
      expect(second.lmx.output).toContain(String(chaos.lmx.pid));
      rmSync(second.fixtures, { recursive: true });
    });
    expect(startsOf(chaos)).toHaveLength(1);
  });

  row("S6", "fixture", "a state directory that cannot be made: serves from memory and says so", async () => {
    const roots = mkdtempSync(join(tmpdir(), "lmx-roots-"));
    const config = join(roots, "config.yaml");
    const values = { auto_load: [BYSTANDER], model_roots: [join(roots, "models")] };
    writeFileSync(config, JSON.stringify(chaosConfig("fixture", values)));
    cpSync(tinyModels().endless, join(roots, "models", BYSTANDER), { recursive: true });
    // Nobody, root included, makes a directory here.
    const nowhere = "/sys/opta-lmx";
    const chaos = await start({ env: { OPTA_LMX_HOME: nowhere }, args: ["--config", config] });
    expect(await chaos.ask(BYSTANDER, "hello")).toMatchObject({ error: null });
    const status = (await (await chaos.lmx.fetch("/admin/status")).json()) as { degraded: string[] };
    expect(status.degraded.join(" ")).toContain(nowhere);
    expect((await chaos.readyz()).status).toBe(200);
    chaos.lmx.process.kill("SIGTERM");
    expect(await chaos.lmx.exited).toEqual({ code: 0, signal: null });
    rmSync(roots, { recursive: true });
  });
});

describe("a bug of our own", () => {
  const INJECT = join(import.meta.dirname, "../fixtures/supervisor/inject-error.ts");

  /** A service in which SIGUSR2 makes this throw; `hit` resolves when it did. */
  async function withBug(what: string): Promise<{ chaos: ChaosService; strike: () => Promise<void> }> {
    const mark = join(mkdtempSync(join(tmpdir(), "lmx-mark-")), "mark");
    const env = { NODE_OPTIONS: `--import ${INJECT}`, OPTA_CHAOS_INJECT: what, OPTA_CHAOS_MARK: mark };
    const chaos = await start({ env });
    const strike = async () => {
      process.kill(chaos.lmx.pid, "SIGUSR2");
      await waitUntil("the error was thrown", () => existsSync(mark), 10_000);
    };
    return { chaos, strike };
  }

  row("S7", "fixture", "an error in a route: 500 for that request, serving on", async () => {
    const { chaos, strike } = await withBug("route");
    const statuses: number[] = [];
    const struck = strike();
    while (!statuses.includes(500)) {
      statuses.push((await chaos.lmx.chat(BYSTANDER, "hello", { max_tokens: 2 })).status);
      expect(statuses.length).toBeLessThan(500);
    }
    await struck;
    expect(new Set(statuses.slice(0, -1))).toEqual(new Set(statuses.length > 1 ? [200] : []));
    expect(await chaos.ask(BYSTANDER, "hello")).toMatchObject({ error: null });
    expect(chaos.lmx.process.exitCode).toBeNull();
  });

  row(
    "S7",
    "fixture",
    "an error while a worker's line is read: guarded, the API lives and the model serves on",
    async () => {
      const { chaos, strike } = await withBug("parser");
      const stream = chaos.ask(BYSTANDER, "hello", { max_tokens: 200 }).catch(() => null);
      await strike();
      await stream;
      expect(chaos.lmx.process.exitCode).toBeNull();
      await chaos.lmx.becomes(BYSTANDER, "routable");
      expect(await chaos.ask(BYSTANDER, "hello")).toMatchObject({ error: null });
    },
  );

  row(
    "S7",
    "fixture",
    "an error in a timer of nobody: an unclean exit 1, and no worker is left",
    async () => {
      const { chaos, strike } = await withBug("timer");
      const pid = await chaos.pid(BYSTANDER);
      await strike();
      expect(await chaos.lmx.exited).toEqual({ code: 1, signal: null });
      await isGone(pid, ORPHANS_MS);
      await noWorkerIsLeft(chaos);
      expect(startsOf(chaos).at(-1)?.stoppedAt).toBeNull();
      expect(chaos.logLines().at(-1)).toMatchObject({
        msg: "a bug: the service ends",
        err: { message: "chaos", stack: expect.stringContaining("inject-error") },
      });
    },
  );
});
