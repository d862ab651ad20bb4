import { cpSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { afterEach, describe, expect } from "vitest";
import { NO_FAILURES, QUARANTINE_DEFAULTS } from "../../supervisor/policy/lifecycle/failure-record.ts";
import { countFailure, forgive, startProbe } from "../../supervisor/policy/lifecycle/quarantine.ts";
import { tinyModels } from "../support/tiny-models.ts";
import { BYSTANDER, type ChaosOptions, ChaosService, type Habit } from "./chaos-service.ts";
import { workersOf } from "./processes.ts";
import { row } from "./row.ts";
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

const CRASHES: Habit = { habit: "crashes", at: 1 };

/** One crash by a prompt of its own; resolves when the state it leads to is reached. */
async function crash(
  chaos: ChaosService,
  id: string,
  state: "routable" | "quarantined",
  word = "bad",
): Promise<void> {
  const pid = await chaos.pid(id);
  expect(await chaos.ask(id, `${word} ${Math.random()}`)).toMatchObject({
    status: 200,
    error: "worker_crashed",
  });
  if (state === "routable") await chaos.load(id);
  await chaos.lmx.becomes(id, state, pid);
}

/** An OpenAI client as its users have it, and what it put on the wire. */
function sdk(chaos: ChaosService) {
  const wire: number[] = [];
  const client = new OpenAI({
    apiKey: "none",
    baseURL: `${chaos.lmx.url}/v1`,
    fetch: async (...args: Parameters<typeof fetch>) => {
      const response = await fetch(...args);
      wire.push(response.status);
      return response;
    },
  });
  const ask = (model: string, content: string) =>
    client.chat.completions.create({ model, messages: [{ role: "user", content }], max_tokens: 8 });
  return { wire, ask };
}

describe("three failures in a row", () => {
  row(
    "W10",
    "fixture",
    "the fourth request gets 409 at once, nothing is started, also after a restart",
    async () => {
      const chaos = await start();
      const id = await chaos.loaded("w10/crashes", CRASHES);
      await withBystander(chaos, { model: id, class: "crash", cause: "native_segv" }, async () => {
        await crash(chaos, id, "routable");
        await crash(chaos, id, "routable");
        await crash(chaos, id, "quarantined");
        const started = chaos.workersStarted;
        const began = performance.now();
        const refused = await chaos.ask(id, "hello");
        expect(performance.now() - began).toBeLessThan(100);
        expect(refused).toMatchObject({ status: 409, error: "model_unstable", shouldRetry: "false" });
        expect(chaos.workersStarted).toBe(started);
        const { readiness, worker } = await chaos.model(id);
        expect(worker).toBeNull();
        expect(readiness).toMatchObject({ state: "quarantined", quarantine: { level: 1 } });
        expect(Date.parse(readiness.quarantine?.until ?? "")).toBeGreaterThan(Date.now());
      });
      const { until } = (await chaos.model(id)).readiness.quarantine ?? {};
      await chaos.killHard();
      const again = await start({ home: chaos.home });
      expect((await again.model(id)).readiness.quarantine).toMatchObject({ level: 1, until });
      expect(await again.ask(id, "hello")).toMatchObject({ status: 409, error: "model_unstable" });
    },
  );

  row("W11", "fixture", "a load that succeeds in between resets nothing", async () => {
    const chaos = await start();
    const id = await chaos.loaded("w11/first-request", { habit: "crashes", at: 0 });
    await withBystander(chaos, { model: id, class: "crash", cause: "native_segv" }, async () => {
      for (const prompt of ["bad one", "bad two"]) {
        const pid = await chaos.pid(id);
        // Nothing was sent of it, so it is tried again on the next worker, which dies as well.
        expect((await chaos.ask(id, prompt)).error).toMatch(/worker_crashed|request_suspected/);
        await chaos.load(id);
        await chaos.lmx.becomes(id, "routable", pid);
      }
      await chaos.ask(id, "bad three");
      await chaos.lmx.becomes(id, "quarantined");
    });
    expect((await chaos.model(id)).readiness.failures).toBe(3);
  });

  row(
    "H5",
    "fixture",
    "an OpenAI client with its default retries sends one request to a quarantined model",
    async () => {
      const chaos = await start({ config: { quarantine: { failures: 1 } } });
      const id = await chaos.loaded("h5/quarantined", CRASHES);
      await withBystander(chaos, { model: id, class: "crash", cause: "native_segv" }, async () => {
        await crash(chaos, id, "quarantined");
        const { wire, ask } = sdk(chaos);
        await expect(ask(id, "hello")).rejects.toMatchObject({ status: 409, code: "model_unstable" });
        expect(wire).toEqual([409]);
      });
    },
  );

  row("W15", "fixture", "other weights are another key: eligible at once, without history", async () => {
    const chaos = await start({ config: { quarantine: { failures: 1 } } });
    const id = await chaos.loaded("w15/mended", CRASHES);
    await withBystander(chaos, { model: id, class: "crash", cause: "native_segv" }, async () => {
      await crash(chaos, id, "quarantined");
      expect((await chaos.load(id)).status).toBe(409);
      cpSync(tinyModels().endlessTwin, join(chaos.home, "models", id), { recursive: true });
      const { status, body } = await chaos.load(id);
      expect([status, body.error]).toEqual([200, undefined]);
      expect((await chaos.model(id)).readiness).toMatchObject({
        state: "routable",
        failures: 0,
        quarantine: null,
      });
    });
  });
});

describe("failures over time", () => {
  const MINUTE_MS = 60_000;

  /** What becomes of a model that crashes every so many minutes and serves a request in between. */
  function crashEvery(minutes: number): { crashes: number; rule: string } {
    let record = NO_FAILURES;
    for (let crashes = 1; crashes <= 200; crashes++) {
      const now = crashes * minutes * MINUTE_MS;
      const routableMs = minutes * MINUTE_MS;
      record = forgive(record, { routableMs, finishedRequests: 1 }, now - 1, QUARANTINE_DEFAULTS).record;
      record = countFailure(record, { cause: "native_segv" }, now, QUARANTINE_DEFAULTS).record;
      if (record.standing.kind === "quarantined") return { crashes, rule: record.standing.rule };
    }
    return { crashes: 200, rule: "none" };
  }

  row(
    "W12",
    "policy",
    "a crash every 9 minutes quarantines at the third, every 11 minutes by the slow-flap rule",
    () => {
      expect(crashEvery(9)).toEqual({ crashes: 3, rule: "threshold" });
      expect(crashEvery(11)).toEqual({ crashes: 10, rule: "slow-flap" });
      expect(crashEvery(3 * 60)).toEqual({ crashes: 200, rule: "none" });
    },
  );

  row(
    "W12",
    "fixture",
    "service with a finished request forgives, so only the slow-flap rule is left",
    async () => {
      const quarantine = { failures: 2, flap_failures: 4, forgive_seconds: 0.5 };
      const chaos = await start({ config: { quarantine } });
      const id = await chaos.loaded("w12/flaps", CRASHES);
      await withBystander(chaos, { model: id, class: "crash", cause: "native_segv" }, async () => {
        for (let times = 1; times <= 3; times++) {
          await crash(chaos, id, "routable");
          expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
          await waitUntil(
            "the failure is forgiven",
            async () => (await chaos.model(id)).readiness.failures === 0,
            10_000,
          );
        }
        await crash(chaos, id, "quarantined");
      });
      expect((await chaos.model(id)).readiness.quarantine?.level).toBe(1);
    },
  );
});

describe("one more try", () => {
  const quarantine = { failures: 1, stay_seconds: 1, probation_seconds: 1, probation_requests: 2 };

  async function quarantined(id: string, config = {}): Promise<ChaosService> {
    const chaos = await start({ config: { quarantine: { ...quarantine, ...config } } });
    await chaos.loaded(id, CRASHES);
    await crash(chaos, id, "quarantined");
    return chaos;
  }

  const untilPassed = async (chaos: ChaosService, id: string) => {
    const { until } = (await chaos.model(id)).readiness.quarantine ?? {};
    await waitUntil("its time has passed", () => Date.now() > Date.parse(until ?? ""), 10_000);
  };

  row("W13", "fixture", "a try that passes leads to probation, and probation to service", async () => {
    const id = "w13/passes";
    const chaos = await quarantined(id);
    await withBystander(chaos, null, async () => {
      chaos.setHabit(id, null);
      expect((await chaos.ask(id, "hello")).status).toBe(409);
      await untilPassed(chaos, id);
      expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
      expect((await chaos.model(id)).readiness).toMatchObject({ state: "routable", detail: "probation" });
      expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
      await waitUntil(
        "probation is over",
        async () => {
          await chaos.ask(id, "hello", { max_tokens: 1 });
          return (await chaos.model(id)).readiness.detail === null;
        },
        20_000,
      );
    });
  });

  row("W13", "fixture", "a try that fails leads back, for twice as long", async () => {
    const id = "w13/fails";
    const chaos = await quarantined(id);
    await withBystander(chaos, { model: id, class: "crash", cause: "native_segv" }, async () => {
      chaos.setHabit(id, { habit: "crashes", at: "load" });
      await untilPassed(chaos, id);
      const before = Date.now();
      expect((await chaos.ask(id, "hello")).status).toBe(409);
      const { quarantine: again } = (await chaos.lmx.becomes(id, "quarantined")).readiness;
      expect(again?.level).toBe(2);
      expect(Date.parse(again?.until ?? "") - before).toBeGreaterThanOrEqual(2_000);
    });
  });

  row("W13", "fixture", "a try that hangs has failed when the load's time is up", async () => {
    const id = "w13/hangs";
    const chaos = await quarantined(id);
    await withBystander(chaos, { model: id, class: "crash", cause: "load_timeout" }, async () => {
      chaos.setHabit(id, { habit: "load_hangs" });
      await untilPassed(chaos, id);
      expect((await chaos.ask(id, "hello")).status).toBe(409);
      expect((await chaos.model(id)).readiness.quarantine?.level).toBe(2);
    });
  });

  row("W13", "policy", "a try without an outcome has failed when its lease is over", () => {
    const numbers = { ...QUARANTINE_DEFAULTS, threshold: 1 };
    const kept = countFailure(NO_FAILURES, { cause: "hung" }, 0, numbers).record;
    const due = numbers.firstStayMs;
    const trying = startProbe(kept, due, numbers).record;
    expect(trying.standing).toEqual(
      expect.objectContaining({ kind: "half-open", leaseUntil: due + numbers.leaseMs }),
    );
    const late = startProbe(trying, due + numbers.leaseMs, numbers).record;
    expect(late.standing.kind).toBe("quarantined");
    expect(late.level).toBe(2);
  });

  row("W13", "fixture", "two callers race for the try: exactly one worker is started", async () => {
    const id = "w13/race";
    const chaos = await quarantined(id);
    await withBystander(chaos, null, async () => {
      chaos.setHabit(id, { habit: "load_trickles", seconds: 0.5 });
      await untilPassed(chaos, id);
      const started = chaos.workersStarted;
      const answers = await Promise.all(
        [1, 2, 3, 4].map((n) => chaos.ask(id, `hello ${n}`, { max_tokens: 2 })),
      );
      expect(answers).toMatchObject(answers.map(() => ({ error: null })));
      // One that inspects and is thrown away at most, and the one that serves.
      expect(chaos.workersStarted - started).toBeLessThanOrEqual(2);
      expect(workersOf(chaos.home)).toHaveLength(2);
    });
  });

  row("W14", "fixture", "any crash in probation leads back at once, one level up", async () => {
    const id = "w14/probation";
    const chaos = await start({
      config: { quarantine: { ...quarantine, failures: 3, probation_seconds: 600 } },
    });
    await chaos.loaded(id, CRASHES);
    // Without a failure so far: after three in a row the fourth would lead back without any probation.
    const kept = await chaos.admin("/admin/models/quarantine", { model_id: id, reason: "to be looked at" });
    expect(kept.status).toBe(200);
    await withBystander(chaos, { model: id, class: "crash", cause: "native_segv" }, async () => {
      expect((await chaos.admin("/admin/models/release", { model_id: id })).status).toBe(200);
      await chaos.lmx.becomes(id, "routable");
      expect((await chaos.model(id)).readiness.detail).toBe("probation");
      await crash(chaos, id, "quarantined");
      expect((await chaos.model(id)).readiness).toMatchObject({ failures: 1, quarantine: { level: 1 } });
    });
  });
});

describe("a request that kills", () => {
  row(
    "W16",
    "fixture",
    "with an SDK's default retries it counts once, is refused, and others are served",
    async () => {
      const chaos = await start();
      const id = await chaos.loaded("w16/poison", { habit: "crashes", at: 0 });
      await withBystander(chaos, { model: id, class: "crash", cause: "native_segv" }, async () => {
        const { ask } = sdk(chaos);
        await expect(ask(id, "bad")).rejects.toMatchObject({ status: 400, code: "request_suspected" });
        await chaos.load(id);
        expect((await chaos.lmx.becomes(id, "routable")).readiness.failures).toBe(1);
        expect(await chaos.ask(id, "hello")).toMatchObject({ error: null });
        const started = chaos.workersStarted;
        await expect(ask(id, "bad")).rejects.toMatchObject({ status: 400, code: "request_suspected" });
        expect(chaos.workersStarted).toBe(started);
        expect(await chaos.ask(BYSTANDER, "bad")).toMatchObject({ error: null });
      });
    },
  );
});
