import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, inject } from "vitest";
import { BYSTANDER, type ChaosOptions, ChaosService } from "./chaos-service.ts";
import { addressSpaceBytes, openFiles } from "./processes.ts";
import { row, slowRow } from "./row.ts";
import { waitUntil } from "./wait-until.ts";
import { withBystander } from "./with-bystander.ts";

const running: ChaosService[] = [];

async function start(options: Partial<ChaosOptions> = {}): Promise<ChaosService> {
  const chaos = await ChaosService.start({ workers: "fixture", ...options });
  running.push(chaos);
  return chaos;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((chaos) => chaos.dispose()));
});

/** Every 30 s the supervisor tries whether workers can be started again. Milliseconds, with room. */
const MENDED_MS = 90_000;

/** Loads two models that cannot get a worker: each is told why, and after the second everybody knows. */
async function breaksForTwo(chaos: ChaosService, cause: RegExp): Promise<void> {
  const ids = ["env/one", "env/two"].map((id) => chaos.addModel(id));
  for (const id of ids) {
    const { status, body } = await chaos.load(id);
    expect([status, body.error?.code]).toEqual([503, "worker_runtime_broken"]);
  }
  expect(await chaos.readyz()).toEqual({ status: 503, reason: "worker_runtime_broken" });
  // From here on nothing is tried for them.
  const started = chaos.workersStarted;
  const { status, body } = await chaos.load("env/one");
  expect([status, body.error?.code]).toEqual([503, "worker_runtime_broken"]);
  expect(chaos.workersStarted).toBe(started);
  for (const id of [...ids, BYSTANDER]) {
    const { readiness } = await chaos.model(id);
    expect([readiness.failures, readiness.quarantine]).toEqual([0, null]);
  }
  expect((await chaos.model(BYSTANDER)).readiness.state).toBe("routable");
  const told = chaos.logLines().filter((line) => line.class === "environment" || line.level === 50);
  expect(told.some((line) => cause.test(String(line.cause)))).toBe(true);
}

async function isMended(chaos: ChaosService): Promise<void> {
  await waitUntil("the service is ready again", async () => (await chaos.readyz()).status === 200, MENDED_MS);
  expect((await chaos.load("env/one")).status).toBe(200);
}

describe("a worker that cannot start", () => {
  row(
    "W4",
    "fixture",
    "exit 1 and 3 with a traceback before hello: the runtime is broken, no model is blamed",
    async () => {
      for (const code of [1, 3]) {
        const chaos = await start();
        chaos.setStartupHabit({ habit: "exits_at_start", code });
        await withBystander(chaos, null, () => breaksForTwo(chaos, /startup_failed/));
      }
    },
  );

  slowRow("W4", "fixture", "it recovers by itself once workers start again", async () => {
    const chaos = await start();
    chaos.setStartupHabit({ habit: "exits_at_start" });
    await withBystander(chaos, null, async () => {
      await breaksForTwo(chaos, /startup_failed/);
      chaos.setStartupHabit(null);
      await isMended(chaos);
    });
  });

  row(
    "W4",
    "fixture",
    "a worker that dies while it inspects a model: that load is refused, nobody else notices",
    async () => {
      const chaos = await start();
      const id = chaos.addModel("w4/inspect", { habit: "inspect_crashes" });
      await withBystander(chaos, null, async () => {
        const { status, body } = await chaos.load(id);
        expect(status).toBeGreaterThanOrEqual(400);
        expect(body.error?.message).toMatch(/SIGSEGV/);
        expect((await chaos.model(id)).readiness.state).not.toBe("routable");
        expect((await chaos.load(chaos.addModel("w4/sound"))).status).toBe(200);
      });
    },
  );
});

/** A copy of the runtime whose interpreter can be taken away. */
function fragileRuntime(): { runtimes: string; python: string } {
  const runtimes = mkdtempSync(join(tmpdir(), "lmx-runtimes-"));
  const real = dirname(dirname(inject("python")));
  const copy = join(runtimes, real.split("/").at(-1) ?? "");
  mkdirSync(join(copy, "bin"), { recursive: true });
  for (const name of readdirSync(real).filter((name) => name !== "bin"))
    symlinkSync(join(real, name), join(copy, name));
  for (const name of readdirSync(join(real, "bin")).filter((name) => name.startsWith("python")))
    symlinkSync(join(real, "bin", name), join(copy, "bin", name));
  return { runtimes, python: join(copy, "bin", "python") };
}

describe("an environment that is broken", () => {
  row("S8", "fixture", "the interpreter has gone: the runtime is broken, no model is blamed", async () => {
    const { runtimes, python } = fragileRuntime();
    const chaos = await start({ env: { OPTA_LMX_RUNTIMES: runtimes } });
    await withBystander(chaos, null, async () => {
      rmSync(python);
      await breaksForTwo(chaos, /spawn_failed|startup_failed/);
    });
    rmSync(runtimes, { recursive: true });
  });

  slowRow("S8", "fixture", "the interpreter is back: it recovers by itself", async () => {
    const { runtimes, python } = fragileRuntime();
    const chaos = await start({ env: { OPTA_LMX_RUNTIMES: runtimes } });
    await withBystander(chaos, null, async () => {
      cpSync(python, `${python}.kept`, { verbatimSymlinks: true });
      rmSync(python);
      await breaksForTwo(chaos, /spawn_failed|startup_failed/);
      cpSync(`${python}.kept`, python, { verbatimSymlinks: true });
      await isMended(chaos);
    });
    rmSync(runtimes, { recursive: true });
  });

  slowRow(
    "S8",
    "fixture",
    "no file descriptors are left (EMFILE): nothing is counted, it recovers by itself",
    async () => {
      const chaos = await start();
      const id = chaos.addModel("s8/no-files");
      // What a first look at the model opens is not what this is about.
      expect((await chaos.admin("/admin/models/probe", { model_id: id })).status).toBe(200);
      await withBystander(chaos, null, async () => {
        const usual = softLimit(chaos.lmx.pid);
        // Room for connections and files, none for the pipes of a worker as well.
        execFileSync("prlimit", [`--pid=${chaos.lmx.pid}`, `--nofile=${openFiles(chaos.lmx.pid) + 6}:`]);
        try {
          const { status } = await chaos.load(id);
          expect(status).toBeGreaterThanOrEqual(500);
        } finally {
          execFileSync("prlimit", [`--pid=${chaos.lmx.pid}`, `--nofile=${usual}:`]);
        }
        const { readiness } = await chaos.model(id);
        expect([readiness.failures, readiness.quarantine]).toEqual([0, null]);
        await waitUntil("it can be loaded", async () => (await chaos.load(id)).status === 200, MENDED_MS);
      });
    },
  );
});

function softLimit(pid: number): string {
  const args = [`--pid=${pid}`, "--nofile", "-o", "SOFT", "--noheadings"];
  return execFileSync("prlimit", args).toString().trim();
}

describe("memory", () => {
  const MEBIBYTE = 1024 * 1024;

  row(
    "W18",
    "fixture",
    "more than its cap: class resource, one error frame, the API untouched, serving again",
    async () => {
      const id = "w18/greedy";
      const models = { [id]: { memory_limit_bytes: 700 * MEBIBYTE } };
      const chaos = await start({ config: { models } });
      await chaos.loaded(id, { habit: "grows", bytes: 900 * MEBIBYTE });
      const pid = await chaos.pid(id);
      await withBystander(chaos, { model: id, class: "resource", cause: "footprint" }, async () => {
        const answer = await chaos.ask(id, "bad", { max_tokens: 2_000 });
        expect(answer).toMatchObject({ status: 200, error: "worker_crashed", finish: null });
        await chaos.lmx.becomes(id, "routable", pid);
        expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
        expect((await chaos.model(id)).readiness.failures).toBe(1);
      });
    },
  );

  row(
    "W18",
    "fixture",
    "more than its cap while it prepares: the request's fault, refused, three such in a row quarantine nothing",
    async () => {
      const id = "w18/prepares";
      const models = { [id]: { memory_limit_bytes: 400 * MEBIBYTE } };
      const chaos = await start({ config: { models } });
      await chaos.loaded(id, { habit: "hoards_preparing", bytes: 500 * MEBIBYTE });
      await withBystander(chaos, { model: id, class: "resource", cause: "footprint" }, async () => {
        for (const prompt of ["bad one", "bad two", "bad three"]) {
          expect(await chaos.ask(id, prompt)).toMatchObject({ status: 400, error: "request_suspected" });
          expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
        }
        const { readiness } = await chaos.model(id);
        expect(readiness).toMatchObject({ state: "routable", failures: 0, quarantine: null });
      });
    },
  );

  slowRow(
    "W18",
    "real",
    "the operating system gives it no more memory: it ends with that cause, and serves again",
    async () => {
      const chaos = await start({ workers: "real" });
      const id = await chaos.loaded("w18/limited");
      const pid = await chaos.pid(id);
      await withBystander(chaos, { model: id, class: "resource", cause: "host_oom" }, async () => {
        // Enough to go on as it is, not enough for a long line.
        const limit = addressSpaceBytes(pid) + 8 * MEBIBYTE;
        execFileSync("prlimit", [`--pid=${pid}`, `--as=${limit}:${limit}`]);
        // Sent again to the next worker, which has memory and finds the prompt too long.
        expect(await chaos.ask(id, "x".repeat(16 * MEBIBYTE))).toMatchObject({
          status: 400,
          error: "context_length_exceeded",
        });
        expect(await chaos.pid(id)).not.toBe(pid);
        expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
      });
    },
  );
});
