import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { isAlive, isGone } from "../support/running-supervisor.ts";
import { hungWithinMs } from "./chaos-config.ts";
import { ChaosService } from "./chaos-service.ts";
import { row, slowRow } from "./row.ts";
import { waitUntil } from "./wait-until.ts";
import { withBystander } from "./with-bystander.ts";

/** Scripted workers in one service: every row has a model of its own, whose worker has one bad habit. */
let chaos: ChaosService;
const scratch = mkdtempSync(join(tmpdir(), "lmx-habits-"));

beforeAll(async () => {
  const models = { "w17/wrong_answer": { canary: { prompt: "6 x 7?", expect: "forty-two" } } };
  chaos = await ChaosService.start({ workers: "fixture", config: { models } });
});
afterAll(async () => {
  await chaos.dispose();
  rmSync(scratch, { recursive: true, force: true });
});

describe("alive, but of no use", () => {
  row(
    "W7",
    "fixture",
    "native code that never gives the GIL back: killed as hung, one error frame",
    async () => {
      const id = await chaos.loaded("w7/gil", { habit: "holds_gil" });
      const pid = await chaos.pid(id);
      await withBystander(chaos, { model: id, class: "crash", cause: "hung" }, async () => {
        const answer = await chaos.ask(id, "bad");
        expect(answer).toMatchObject({ status: 200, error: "worker_crashed", text: "the supervisor " });
        await isGone(pid, hungWithinMs("fixture"));
        await chaos.lmx.becomes(id, "routable", pid);
        expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
      });
    },
  );

  row(
    "W8",
    "fixture",
    "answers pings and makes no step: shown as stalled, then killed as wedged",
    async () => {
      const id = await chaos.loaded("w8/no-steps", { habit: "no_steps" });
      const pid = await chaos.pid(id);
      await withBystander(chaos, { model: id, class: "crash", cause: "wedged" }, async () => {
        const answer = chaos.ask(id, "bad");
        await waitUntil(
          "readiness.detail is stalled while its worker lives",
          async () => {
            const { readiness, worker } = await chaos.model(id);
            return readiness.detail === "stalled" && worker?.pid === pid;
          },
          25_000,
        );
        expect(await answer).toMatchObject({ status: 200, error: "worker_crashed", finish: null });
        await isGone(pid, 25_000);
        await chaos.lmx.becomes(id, "routable", pid);
        expect((await chaos.model(id)).readiness.failures).toBe(1);
      });
    },
  );

  row(
    "W8",
    "fixture",
    "answers pings and takes no request: what was sent to it is work, and it is killed",
    async () => {
      const id = await chaos.loaded("w8/takes-nothing", { habit: "takes_nothing" });
      const pid = await chaos.pid(id);
      await withBystander(chaos, { model: id, class: "crash", cause: "wedged" }, async () => {
        // Not begun, so it is sent again once, to the next worker, which does not take it either: in flight at two ends.
        expect(await chaos.ask(id, "bad")).toMatchObject({ status: 400, error: "request_suspected" });
        await isGone(pid, 25_000);
      });
      await chaos.lmx.becomes(id, "routable");
      expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
    },
  );

  slowRow("W8", "fixture", "a worker without work makes no step either, and nobody minds", async () => {
    const id = await chaos.loaded("w8/no-work");
    const pid = await chaos.pid(id);
    // Longer than the watchdog of 2 s would wait.
    await withBystander(chaos, null, () => new Promise((resolve) => setTimeout(resolve, 5_000)));
    const { readiness, worker } = await chaos.model(id);
    expect([readiness.detail, readiness.failures, worker?.pid]).toEqual([null, 0, pid]);
  });

  row(
    "W9",
    "fixture",
    "a load without progress: ended as stalled, and the load's answer says so",
    async () => {
      const id = chaos.addModel("w9/hangs", { habit: "load_hangs" });
      await withBystander(chaos, { model: id, class: "crash", cause: "load_timeout" }, async () => {
        const began = performance.now();
        const { status, body } = await chaos.load(id);
        expect(status).toBe(504);
        expect(body.error).toMatchObject({ code: "model_load_timeout" });
        expect(body.error?.message).toContain("no progress");
        expect(performance.now() - began).toBeLessThan(20_000);
      });
    },
  );

  slowRow(
    "W9",
    "fixture",
    "a load with progress: longer than the stall is fine, longer than the cap is not",
    async () => {
      const slow = chaos.addModel("w9/slow", { habit: "load_trickles", seconds: 3.5 });
      const endless = chaos.addModel("w9/endless", { habit: "load_trickles", seconds: 3600 });
      await withBystander(chaos, { model: endless, class: "crash", cause: "load_timeout" }, async () => {
        expect((await chaos.load(slow)).status).toBe(200);
        const { status, body } = await chaos.load(endless);
        expect([status, body.error?.code]).toEqual([504, "model_load_timeout"]);
        expect(body.error?.message).not.toContain("no progress");
      });
    },
  );
});

describe("a canary that fails", () => {
  const ways = {
    error: "canary_error",
    timeout: "canary_timeout",
    no_tokens: "no_tokens",
    not_a_number: "non_finite_logits",
    constant: "constant_logits",
    token_zero: "token_zero",
    wrong_answer: "unexpected_text",
  };
  for (const [how, cause] of Object.entries(ways))
    row("W17", "fixture", `${how}: 409 model_canary_failed, and never routable for any instant`, async () => {
      const id = chaos.addModel(`w17/${how}`, { habit: "bad_canary", how });
      const seen = new Set<string>();
      await withBystander(chaos, { model: id, class: "crash", cause }, async () => {
        const loading = chaos.load(id);
        const asked = chaos.ask(id, "hello");
        let isOver = false;
        const watching = (async () => {
          while (!isOver) seen.add((await chaos.model(id)).readiness.state);
        })();
        const { status, body } = await loading;
        expect([status, body.error?.code]).toEqual([409, "model_canary_failed"]);
        expect((await asked).status).toBe(409);
        isOver = true;
        await watching;
      });
      expect([...seen]).not.toContain("routable");
    });
});

describe("leaves, or cannot be told to", () => {
  row("W3", "fixture", "exit code 0 that nobody asked for is a failure like any other", async () => {
    const id = await chaos.loaded("w3/leaves", { habit: "leaves" });
    const pid = await chaos.pid(id);
    await withBystander(chaos, { model: id, class: "crash", cause: "exit_0" }, async () => {
      expect(await chaos.ask(id, "bad")).toMatchObject({ error: "worker_crashed", text: "the supervisor " });
      await chaos.lmx.becomes(id, "routable", pid);
      expect((await chaos.model(id)).readiness.failures).toBe(1);
    });
  });

  slowRow("W5", "fixture", "SIGSTOP mid-stream: killed as hung, one error frame", async () => {
    const id = await chaos.loaded("w5/stopped");
    const pid = await chaos.pid(id);
    await withBystander(chaos, { model: id, class: "crash", cause: "hung" }, async () => {
      let isStopped = false;
      const answer = await chaos.ask(id, "hello", { max_tokens: 100_000 }, () => {
        if (!isStopped) isStopped = process.kill(pid, "SIGSTOP");
      });
      expect(answer).toMatchObject({ error: "worker_crashed", finish: null });
      await chaos.lmx.becomes(id, "routable", pid);
    });
  });

  slowRow(
    "W19",
    "fixture",
    "ignores shutdown and SIGTERM: SIGKILL on schedule, the unload returns, nothing counted",
    async () => {
      const id = await chaos.loaded("w19/stays", { habit: "ignores_stop" });
      const pid = await chaos.pid(id);
      await withBystander(chaos, null, async () => {
        const began = performance.now();
        expect((await chaos.admin("/admin/models/unload", { model_id: id })).status).toBe(200);
        expect(isAlive(pid)).toBe(false);
        // 2 s for the word, 5 s for SIGTERM.
        expect(performance.now() - began).toBeGreaterThan(6_500);
        expect(performance.now() - began).toBeLessThan(70_000);
        const { readiness } = await chaos.model(id);
        expect([readiness.state, readiness.failures]).toEqual(["unloaded", 0]);
        expect(chaos.failures(id)).toEqual([]);
      });
    },
  );

  row("W20", "fixture", "a grandchild holds its stdout: the exit is handled at once", async () => {
    const pidFile = join(scratch, "grandchild");
    const id = await chaos.loaded("w20/heir", { habit: "leaves_grandchild", pid_file: pidFile });
    const pid = await chaos.pid(id);
    await withBystander(chaos, { model: id, class: "crash", cause: "exit_1" }, async () => {
      const began = performance.now();
      expect(await chaos.ask(id, "bad")).toMatchObject({ error: "worker_crashed", text: "the supervisor " });
      await chaos.lmx.becomes(id, "routable", pid);
      // The grandchild would hold the pipes for 60 s.
      expect(performance.now() - began).toBeLessThan(10_000);
      const grandchild = Number(readFileSync(pidFile, "utf8"));
      expect(isAlive(grandchild)).toBe(true);
      process.kill(grandchild, "SIGKILL");
    });
  });
});
