import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect } from "vitest";
import type { Dossier, DossierList } from "../../shared/dossier.ts";
import { isAlive, isGone } from "../support/running-supervisor.ts";
import { hungWithinMs } from "./chaos-config.ts";
import { type Answer, ChaosService } from "./chaos-service.ts";
import { isPending } from "./processes.ts";
import { row, slowRow } from "./row.ts";
import { waitUntil } from "./wait-until.ts";
import { withBystander } from "./with-bystander.ts";

/** The shipped worker on tiny models; every row has a victim of its own in the same service. */
let chaos: ChaosService;

beforeAll(async () => {
  // Nobody is quarantined here, and nobody waits: the rows about that are elsewhere.
  const quarantine = { failures: 1_000, flap_failures: 1_000 };
  chaos = await ChaosService.start({ workers: "real", config: { quarantine } });
});
afterAll(() => chaos.dispose());

let stories = 0;

/** Asks for a long answer, each time another one, and does this to the worker once some of it has come. */
async function midStream(id: string, act: (pid: number) => void): Promise<Answer> {
  const pid = await chaos.pid(id);
  let isDone = false;
  return await chaos.ask(id, `tell me story number ${stories++}`, { max_tokens: 1_000 }, (text) => {
    if (text.length < 20 || isDone) return;
    isDone = true;
    act(pid);
  });
}

/** It serves again, in another process. */
async function isBack(id: string, otherThan: number): Promise<void> {
  await chaos.lmx.becomes(id, "routable", otherThan);
  expect(await chaos.ask(id, "hello", { max_tokens: 8 })).toMatchObject({ error: null, finish: "length" });
}

describe("killed from outside", () => {
  row("W1", "real", "SIGKILL while it is idle: counted, restarted, serving again", async () => {
    const id = await chaos.loaded("w1/idle");
    const pid = await chaos.pid(id);
    await withBystander(chaos, { model: id, class: "resource", cause: "killed_external" }, async () => {
      process.kill(pid, "SIGKILL");
      await isBack(id, pid);
    });
    expect((await chaos.model(id)).readiness.failures).toBe(1);
  });

  row("W1", "real", "SIGKILL mid-stream: one error frame, counted, serving again", async () => {
    const id = await chaos.loaded("w1/stream");
    const pid = await chaos.pid(id);
    await withBystander(chaos, { model: id, class: "resource", cause: "killed_external" }, async () => {
      const answer = await midStream(id, () => process.kill(pid, "SIGKILL"));
      expect(answer).toMatchObject({ status: 200, error: "worker_crashed", finish: null });
      await isBack(id, pid);
    });
    expect((await chaos.model(id)).readiness.failures).toBe(1);
  });

  row("W1", "real", "SIGKILL before the answer has begun: sent again, its client sees nothing", async () => {
    const id = await chaos.loaded("w1/replay");
    const pid = await chaos.pid(id);
    await withBystander(chaos, { model: id, class: "resource", cause: "killed_external" }, async () => {
      // Stopped, it holds the request unanswered.
      process.kill(pid, "SIGSTOP");
      const answer = chaos.ask(id, "hello", { max_tokens: 8 });
      await waitUntil(
        "the request is in the worker",
        async () => (await chaos.model(id)).worker?.in_flight,
        20_000,
      );
      process.kill(pid, "SIGKILL");
      expect(await answer).toMatchObject({ error: null, finish: "length" });
      await isBack(id, pid);
    });
  });

  slowRow(
    "W1",
    "real",
    "SIGKILL while it loads or runs its canary: the load answers and says what happened",
    async () => {
      for (const state of ["loading", "canary_pending"] as const) {
        const id = chaos.addModel(`w1/${state}`);
        await withBystander(chaos, null, async () => {
          const loading = chaos.load(id);
          const pid = await waitUntil(
            `${id} is ${state}`,
            async () => {
              const { readiness, worker } = await chaos.model(id);
              if (readiness.state === "routable") return -1;
              return readiness.state === state && worker?.pid;
            },
            60_000,
          );
          if (pid > 0) process.kill(pid, "SIGKILL");
          const { status, body } = await loading;
          // The tiny model may have been faster than we.
          if (status !== 200) {
            expect(status).toBe(502);
            expect(body.error?.code).toBe("model_loader_crashed");
            expect(chaos.failures(id)[0]).toMatchObject({ class: "resource", cause: "killed_external" });
          }
        });
      }
    },
  );

  slowRow(
    "W1",
    "real",
    "SIGKILL after a cancel and while draining: the unload still returns, nothing hangs",
    async () => {
      const id = await chaos.loaded("w1/draining");
      const pid = await chaos.pid(id);
      await withBystander(chaos, null, async () => {
        const leaving = new AbortController();
        const left = chaos.lmx.chat(id, "x", { stream: true, max_tokens: 2_000 }, { signal: leaving.signal });
        await left;
        leaving.abort();
        const draining = chaos.ask(id, "tell me a long story", { max_tokens: 2_000 });
        await waitUntil("it has work", async () => (await chaos.model(id)).worker?.in_flight, 20_000);
        const unloaded = chaos.admin("/admin/models/unload", { model_id: id });
        await waitUntil(
          "it drains",
          async () => (await chaos.model(id)).readiness.detail === "draining",
          20_000,
        );
        process.kill(pid, "SIGKILL");
        expect((await unloaded).status).toBe(200);
        expect(await draining).toMatchObject({ status: 200, error: "worker_crashed", finish: null });
      });
      // It had been asked to leave already.
      expect((await chaos.model(id)).readiness).toMatchObject({ state: "unloaded", failures: 0 });
    },
  );
});

/** What was written down of the worker's death. */
async function dossierOf(pid: number): Promise<Dossier> {
  const path = "/admin/models/dossiers";
  const { id } = await waitUntil(
    `a dossier of process ${pid}`,
    async () => {
      const { data } = (await (await chaos.lmx.fetch(path)).json()) as DossierList;
      return data.find((dossier) => dossier.pid === pid);
    },
    10_000,
  );
  return (await (await chaos.lmx.fetch(`${path}/${id}`)).json()) as Dossier;
}

describe("died by itself", () => {
  row(
    "W2",
    "real",
    "SIGSEGV, SIGABRT, SIGBUS and SIGILL: class crash, the signal and its last words are kept",
    async () => {
      const id = await chaos.loaded("w2/signals");
      const cases = {
        SIGSEGV: "native_segv",
        SIGABRT: "native_abort",
        SIGBUS: "native_segv",
        SIGILL: "cpu_unsupported",
      } as const;
      for (const [signal, cause] of Object.entries(cases)) {
        const pid = await chaos.pid(id);
        await withBystander(chaos, { model: id, class: "crash", cause }, async () => {
          const answer = await midStream(id, () => process.kill(pid, signal as NodeJS.Signals));
          expect(answer).toMatchObject({ error: "worker_crashed", finish: null });
          await chaos.load(id);
          await isBack(id, pid);
        });
        const exits = chaos.logLines().filter((line) => line.pid === pid && line.msg === "worker exited");
        expect(exits).toMatchObject([{ signal, code: null, intent: null }]);
        expect(chaos.failures(id).at(-1)?.message).toContain(signal);
        const dossier = await dossierOf(pid);
        expect(dossier).toMatchObject({ class: "crash", cause, signal });
        expect(dossier.stderr_tail).toContain("Fatal Python error");
      }
      expect((await chaos.model(id)).readiness.failures).toBe(4);
    },
  );

  slowRow(
    "W3",
    "real",
    "exit code 0 that nobody asked for, idle and mid-stream, is a failure like any other",
    async () => {
      const id = await chaos.loaded("w3/exit-0");
      // SIGTERM makes the worker leave in good order; only an intent of ours would make that no failure.
      for (const how of ["idle", "mid-stream"]) {
        const pid = await chaos.pid(id);
        await withBystander(chaos, { model: id, class: "crash", cause: /^exit_0$/ }, async () => {
          if (how === "idle") process.kill(pid, "SIGTERM");
          else {
            const answer = await midStream(id, () => process.kill(pid, "SIGTERM"));
            expect(answer).toMatchObject({ error: "worker_crashed", finish: null });
          }
          await waitUntil("it is gone", async () => (await chaos.pid(id)) !== pid, 20_000);
          await chaos.load(id);
          await isBack(id, pid);
        });
      }
      expect((await chaos.model(id)).readiness.failures).toBe(2);
    },
  );
});

/** Resolves when the process is gone; true: it was sent a SIGTERM that it could not take. */
async function wasAskedToLeave(pid: number): Promise<boolean> {
  let wasAsked = false;
  while (isAlive(pid)) {
    wasAsked ||= isPending(pid, "SIGTERM");
    await wait(20);
  }
  return wasAsked;
}

describe("stopped", () => {
  slowRow(
    "W5",
    "real",
    "SIGSTOP idle or mid-stream: killed as hung without a SIGTERM, one error frame",
    async () => {
      const id = await chaos.loaded("w5/stopped");
      for (const how of ["idle", "mid-stream"]) {
        const pid = await chaos.pid(id);
        await withBystander(chaos, { model: id, class: "crash", cause: "hung" }, async () => {
          const began = performance.now();
          const asked = wasAskedToLeave(pid);
          if (how === "idle") process.kill(pid, "SIGSTOP");
          else {
            const answer = await midStream(id, () => process.kill(pid, "SIGSTOP"));
            expect(answer).toMatchObject({ error: "worker_crashed", finish: null });
          }
          await isGone(pid, hungWithinMs("real"));
          expect(performance.now() - began).toBeLessThan(hungWithinMs("real"));
          expect(await asked).toBe(false);
          await chaos.load(id);
          await isBack(id, pid);
        });
        const exit = chaos.logLines().find((line) => line.pid === pid && line.msg === "worker exited");
        expect(exit?.signal).toBe("SIGKILL");
      }
    },
  );

  slowRow(
    "W6",
    "real",
    "SIGSTOP shorter than three pings, then SIGCONT: nobody is killed, the stream goes on",
    async () => {
      const id = await chaos.loaded("w6/paused");
      const pid = await chaos.pid(id);
      const undisturbed = await chaos.ask(id, `tell me story number ${stories}`, { max_tokens: 1_000 });
      await withBystander(chaos, null, async () => {
        const answer = await midStream(id, () => {
          process.kill(pid, "SIGSTOP");
          // Longer than one ping may take, shorter than three.
          setTimeout(() => process.kill(pid, "SIGCONT"), 3_000);
        });
        expect(answer).toEqual(undisturbed);
      });
      expect(await chaos.pid(id)).toBe(pid);
      expect((await chaos.model(id)).readiness.failures).toBe(0);
    },
  );
});

slowRow(
  "W7",
  "real",
  "the supervisor is gone and the worker cannot hear it: the deadman or the parent's death ends it",
  async () => {
    const lonely = await ChaosService.start({ workers: "real" });
    const pid = await lonely.pid("chaos/bystander");
    process.kill(pid, "SIGSTOP");
    await lonely.killHard();
    await isGone(pid, 95_000);
    await lonely.dispose();
  },
);
