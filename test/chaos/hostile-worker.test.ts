import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { MAX_ERROR_CHARACTERS } from "../../shared/wire-limits.ts";
import { isAlive, isGone } from "../support/running-supervisor.ts";
import { hungWithinMs } from "./chaos-config.ts";
import { ChaosService, type Habit } from "./chaos-service.ts";
import { residentBytes } from "./processes.ts";
import { row } from "./row.ts";
import { waitUntil } from "./wait-until.ts";
import { withBystander } from "./with-bystander.ts";

/** Workers that were taken over: they say what they like, and nothing of it may harm anybody else. */
let chaos: ChaosService;

const MEBIBYTE = 1024 * 1024;
/** What the service may take at most, whatever a worker does. */
const MOST_RESIDENT_BYTES = 600 * MEBIBYTE;

beforeAll(async () => {
  chaos = await ChaosService.start({ workers: "fixture", config: { quarantine: { failures: 1_000 } } });
});
afterAll(() => chaos.dispose());

/** A request that lost two workers is one that is not tried again. */
const LOST = expect.stringMatching(/^(worker_crashed|request_suspected)$/);

/** Runs something while the service's memory is watched. @returns the most it took, bytes */
async function peakWhile(act: () => Promise<void>): Promise<number> {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentBytes(chaos.lmx.pid));
  }, 10);
  try {
    await act();
  } finally {
    clearInterval(timer);
  }
  return peak;
}

/** Everything the service tells about itself and its models, as text. */
async function everythingTold(): Promise<string> {
  const paths = ["/admin/models", "/admin/status", "/admin/memory", "/admin/compatibility", "/metrics"];
  const texts = await Promise.all(paths.map(async (path) => (await chaos.lmx.fetch(path)).text()));
  return texts.join("\n") + chaos.lmx.output;
}

for (const member of ["name", "id"]) {
  row(
    "P10",
    "fixture",
    "seven megabytes as the name of a call or its id: an error for the request, and the worker is ended",
    async () => {
      const id = await chaos.loaded(`p10/${member}`, { habit: "says_too_much", where: member });
      await withBystander(chaos, { model: id, class: "crash", cause: "protocol_violation" }, async () => {
        const pid = await chaos.pid(id);
        const peak = await peakWhile(async () => {
          const answers = Array.from({ length: 8 }, () => chaos.ask(id, "bad"));
          for (const answer of await Promise.all(answers))
            expect([answer.error, answer.finish]).toEqual([LOST, null]);
          await isGone(pid, hungWithinMs("fixture"));
        });
        expect(peak).toBeLessThan(MOST_RESIDENT_BYTES);
      });
    },
  );
}

row(
  "P10",
  "fixture",
  "calls of seven megabytes for sixty clients that do not read: memory is bounded",
  async () => {
    const id = await chaos.loaded("p10/arguments", { habit: "says_too_much", where: "arguments", times: 3 });
    await withBystander(chaos, null, async () => {
      const answers: Response[] = [];
      const peak = await peakWhile(async () => {
        // Kept for the next request, they would be open files of the service for longer than a row waits.
        const headers = { "content-type": "application/json", connection: "close" };
        const asked = Array.from({ length: 60 }, () =>
          chaos.lmx.chat(id, "bad", { stream: true, max_tokens: 8 }, { headers }),
        );
        answers.push(...(await Promise.all(asked)));
        await waitUntil(
          "every row is over",
          async () => (await chaos.model(id)).worker?.in_flight === 0,
          60_000,
        );
      });
      const served = answers.filter(({ status }) => status === 200);
      expect(served.length).toBeGreaterThan(10);
      for (const { status } of answers) expect([200, 429]).toContain(status);
      await Promise.all(answers.map(({ body }) => body?.cancel()));
      expect(peak).toBeLessThan(MOST_RESIDENT_BYTES);
      expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
    });
  },
);

row(
  "P10",
  "fixture",
  "errors of megabytes: clients and operators get the beginning, on one line",
  async () => {
    const refuses = await chaos.loaded("p10/refusal", { habit: "says_too_much", where: "refusal" });
    const fails = await chaos.loaded("p10/error", { habit: "says_too_much", where: "error" });
    await withBystander(chaos, null, async () => {
      for (const id of [refuses, fails]) {
        const response = await chaos.lmx.chat(id, "bad", { max_tokens: 8 });
        const text = await response.text();
        expect(response.status).toBe(500);
        expect(text.length).toBeLessThan(2 * MAX_ERROR_CHARACTERS);
        expect(text).toContain("\\u001b[2Jxxx");
      }
      expect((await everythingTold()).includes("x".repeat(3_000))).toBe(false);
    });
  },
);

row(
  "P10",
  "fixture",
  "a load that is refused at length, or ends so: what is told and kept of it is short",
  async () => {
    for (const where of ["load", "fatal"]) {
      const id = chaos.addModel(`p10/${where}`, { habit: "says_too_much", where });
      await withBystander(chaos, { model: id, class: "crash", cause: /load_error|unknown/ }, async () => {
        const { status, body } = await chaos.load(id);
        expect(status).toBeGreaterThanOrEqual(400);
        expect(body.error?.message.length).toBeLessThan(2 * MAX_ERROR_CHARACTERS);
        await chaos.admin("/admin/models/unload", { model_id: id });
        const dossiers = await (
          await chaos.lmx.fetch(`/admin/dossiers?model=${encodeURIComponent(id)}`)
        ).text();
        expect(dossiers.length).toBeLessThan(64 * 1024);
        expect((await everythingTold()).includes("x".repeat(3_000))).toBe(false);
      });
    }
  },
);

row(
  "P10",
  "fixture",
  "a version of seven megabytes: the handshake is refused, and nobody hears of it",
  async () => {
    const id = chaos.addModel("p10/version");
    chaos.setStartupHabit({ habit: "says_too_much", where: "version" });
    try {
      await withBystander(chaos, null, async () => {
        const { status, body } = await chaos.load(id);
        expect([status, body.error?.code]).toEqual([503, "worker_runtime_broken"]);
        expect(body.error?.message).toContain("versions.mlx_lm");
        expect((await everythingTold()).includes("x".repeat(3_000))).toBe(false);
      });
    } finally {
      chaos.setStartupHabit(null);
    }
  },
);

for (const what of ["objects", "rows", "deep", "numbers"]) {
  row(
    "P11",
    "fixture",
    "a line that would become gigabytes, a million rows or a million levels: never read, and the worker is ended",
    async () => {
      const id = await chaos.loaded(`p11/${what}`, { habit: "says_too_many", what });
      await withBystander(chaos, { model: id, class: "crash", cause: "protocol_violation" }, async () => {
        const pid = await chaos.pid(id);
        const peak = await peakWhile(async () => {
          const answer = await chaos.ask(id, "bad", { max_tokens: 2_000 });
          expect([answer.error, answer.finish]).toEqual([LOST, null]);
          await isGone(pid, hungWithinMs("fixture"));
        });
        expect(peak).toBeLessThan(MOST_RESIDENT_BYTES);
      });
    },
  );
}

row("P12", "fixture", "memory that it does not have: other models lose nothing by it", async () => {
  const free = async () =>
    ((await (await chaos.lmx.fetch("/admin/memory")).json()) as { free_bytes: number }).free_bytes;
  const before = await free();
  for (const bytes of [8e12, 9e15]) {
    const id = chaos.addModel(`p12/claims-${bytes}`, { habit: "claims_memory", bytes });
    await withBystander(chaos, null, async () => {
      await chaos.load(id);
      // The claim is made anew with each ping.
      const readings: number[] = [];
      for (const until = performance.now() + 1_500; performance.now() < until; ) readings.push(await free());
      expect(Math.min(...readings)).toBeGreaterThan(before - 1024 * MEBIBYTE);
      await chaos.admin("/admin/models/unload", { model_id: id });
    });
  }
});

/** A model whose worker starts processes, and what it started. */
async function withDescendants(name: string, options: Omit<Habit, "habit"> = {}) {
  const pidFile = join(chaos.home, `${name.replace("/", "-")}.pids`);
  const id = await chaos.loaded(name, { habit: "starts_processes", pid_file: pidFile, ...options });
  const pids = async () => {
    await waitUntil("its processes are there", () => existsSync(pidFile), 20_000);
    const all = Object.values(JSON.parse(readFileSync(pidFile, "utf8")) as Record<string, number>);
    rmSync(pidFile);
    return all;
  };
  return { id, pids };
}

row(
  "W22",
  "fixture",
  "a worker that dies after it has started processes: all of them are ended",
  async () => {
    const { id, pids } = await withDescendants("w22/dies");
    await withBystander(chaos, { model: id, class: "crash", cause: "exit_1" }, async () => {
      const answer = chaos.ask(id, "bad");
      const started = await pids();
      await answer;
      for (const pid of started) await isGone(pid, 5_000);
      chaos.setHabit(id, null);
      await chaos.load(id);
    });
  },
);

row("W22", "fixture", "a worker that is unloaded or killed: so are those it has started", async () => {
  for (const how of ["unload", "kill"]) {
    const { id, pids } = await withDescendants(`w22/${how}`, { stays: true });
    await withBystander(chaos, null, async () => {
      await chaos.ask(id, "bad");
      const started = await pids();
      expect(started.map(isAlive)).toEqual([true, true, true]);
      if (how === "kill") process.kill(await chaos.pid(id), "SIGKILL");
      else await chaos.admin("/admin/models/unload", { model_id: id });
      for (const pid of started) await isGone(pid, 5_000);
    });
  }
});

row(
  "W22",
  "fixture",
  "a supervisor that is killed: the next start ends what its workers had started",
  async () => {
    const lonely = await ChaosService.start({ workers: "fixture" });
    const pidFile = join(lonely.home, "started.pids");
    const id = await lonely.loaded("w22/left", { habit: "starts_processes", pid_file: pidFile, stays: true });
    await lonely.ask(id, "bad");
    const started = Object.values(JSON.parse(readFileSync(pidFile, "utf8")) as Record<string, number>);
    await lonely.killHard();
    const next = await ChaosService.start({ workers: "fixture", home: lonely.home });
    for (const pid of started) await isGone(pid, 5_000);
    await next.dispose();
  },
);
