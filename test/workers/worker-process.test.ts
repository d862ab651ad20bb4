import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Violation } from "../../supervisor/rpc/peer.ts";
import { workerCommand } from "../../supervisor/workers/worker-command.ts";
import { WorkerProcess } from "../../supervisor/workers/worker-process.ts";
import { isGone } from "../support/running-supervisor.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures/workers");
const started: WorkerProcess[] = [];

/** A fixture worker on the system's Python; fixtures need no runtime. */
function start(fixture: string) {
  const notifications: [string, unknown][] = [];
  const violations: Violation[] = [];
  const env = { PATH: process.env.PATH ?? "", PYTHONPATH: FIXTURES };
  const worker = new WorkerProcess(
    { file: "python3", args: [join(FIXTURES, fixture)], env },
    {
      onNotification: (method, params) => notifications.push([method, params]),
      onViolation: (violation) => violations.push(violation),
      onStderr() {},
    },
  );
  started.push(worker);
  return { worker, notifications, violations };
}

/** Resolves when the worker's stderr holds the text. */
async function stderrShows(worker: WorkerProcess, text: string): Promise<void> {
  while (!worker.stderrTail.includes(text)) await new Promise((resolve) => setImmediate(resolve));
}

const initialize = (worker: WorkerProcess) => worker.request("initialize", { protocol_version: 1 }, 30_000);

afterEach(() => {
  for (const worker of started.splice(0)) worker.kill("test over");
});

describe("a worker process", () => {
  it("answers requests and leaves with code 0 when its stdin ends", async () => {
    const { worker } = start("answers_hello.py");
    expect((await initialize(worker)).pid).toBe(worker.pid);
    await worker.stop("orderly", "unload");
    expect(await worker.exited).toMatchObject({ code: 0, signal: null, intent: "unload", spawnError: null });
  });

  it("rejects an answer of the wrong shape", async () => {
    const { worker } = start("answers_hello.py");
    await expect(worker.request("ping", {}, 30_000)).rejects.toThrow(/steps/);
  });

  it("is killed on schedule when it ignores everything", async () => {
    const { worker } = start("ignores_everything.py");
    await stderrShows(worker, "ready to be ignored");
    await worker.stop("orderly", "unload");
    expect(await worker.exited).toMatchObject({ signal: "SIGKILL", intent: "unload" });
  }, 30_000);

  it("tells a death by foreign hand from our own", async () => {
    const { worker } = start("answers_hello.py");
    await initialize(worker);
    const waiting = worker
      .request("load", { model_id: "m", path: "/", max_context_tokens: null, max_concurrency: 1 }, 30_000)
      .catch(() => "rejected");
    process.kill(worker.pid ?? 0, "SIGSEGV");
    expect(await worker.exited).toMatchObject({ code: null, signal: "SIGSEGV", intent: null });
    await waiting;
  });

  it("reports a program that does not exist as an exit with its spawn error", async () => {
    const worker = new WorkerProcess(
      { file: "/nonexistent/python", args: [], env: {} },
      { onNotification() {}, onViolation() {}, onStderr() {} },
    );
    expect((await worker.exited).spawnError?.code).toBe("ENOENT");
    expect(worker.pid).toBeUndefined();
    await expect(initialize(worker)).rejects.toMatchObject({ kind: "closed" });
    await worker.stop("orderly", "nothing to stop");
  });

  it("is ended when its line does not", async () => {
    const { worker, violations } = start("endless_line.py");
    expect((await worker.exited).signal).toBe("SIGKILL");
    expect(violations.map(({ kind }) => kind)).toEqual(["line-too-long"]);
  });

  it("exits for us although a grandchild holds its stdout, which is ended with it", async () => {
    const { worker } = start("grandchild_holds_stdout.py");
    const exit = await worker.exited;
    expect(exit.code).toBe(0);
    const grandchild = Number(/grandchild (\d+)/.exec(exit.stderrTail)?.[1]);
    await isGone(grandchild, 10_000);
  });

  it("rejects what is being written when it dies, and the supervisor lives", async () => {
    const { worker } = start("stops_reading.py");
    await stderrShows(worker, "not reading");
    const big = { model_id: "m".repeat(8_000_000), path: "/", max_context_tokens: null, max_concurrency: 1 };
    const sends = Array.from({ length: 3 }, () => worker.request("load", big, 60_000));
    const outcomes = Promise.allSettled(sends);
    worker.kill("test");
    expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  });

  it("is heard out: its last notification and the end of its stderr arrive with its exit", async () => {
    const { worker, notifications } = start("last_words.py");
    const exit = await worker.exited;
    expect(exit.code).toBe(70);
    expect(notifications).toEqual([["fatal", { cause: "gpu_error", message: "command buffer" }]]);
    expect(exit.stderrTail).toHaveLength(64 * 1024);
    expect(exit.stderrTail.endsWith("the end of the log\n")).toBe(true);
  });
});

describe("a worker's environment", () => {
  it("is the allow-list and nothing else", async () => {
    const environment = {
      PATH: process.env.PATH,
      HOME: "/home/x",
      OPTA_LMX_API_KEYS: "secret",
      PYTHONSTARTUP: "/evil.py",
      LD_PRELOAD: "/evil.so",
      HTTPS_PROXY: "http://proxy",
    };
    const command = workerCommand({
      python: "python3",
      workerDirectory: FIXTURES,
      temporaryDirectory: "/tmp",
      token: "t",
      platform: "linux",
      openBlas: null,
      deadmanSeconds: 90,
      environment,
    });
    const worker = new WorkerProcess(
      { ...command, args: [join(FIXTURES, "prints_its_environment.py")] },
      { onNotification() {}, onViolation() {}, onStderr() {} },
    );
    started.push(worker);
    const seen = JSON.parse((await worker.exited).stderrTail) as Record<string, string>;
    expect(Object.keys(seen).filter((name) => /KEY|SECRET|PROXY|PRELOAD|STARTUP/.test(name))).toEqual([]);
    expect(seen).toMatchObject({
      HOME: "/home/x",
      HF_HUB_OFFLINE: "1",
      MLX_DISABLE_COMPILE: "1",
      // Python's own name for it: nothing from the directory we were started in.
      PYTHONSAFEPATH: "1",
      TMPDIR: "/tmp",
    });
  });
});
