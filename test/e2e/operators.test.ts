import { afterAll, beforeAll, expect, it } from "vitest";
import { chaosConfig } from "../chaos/chaos-config.ts";
import { BYSTANDER, ChaosService } from "../chaos/chaos-service.ts";
import { waitUntil } from "../chaos/wait-until.ts";
import { withBystander } from "../chaos/with-bystander.ts";
import { auditRows, Rounds, standingAtRest } from "./operator-rounds.ts";
import { OperatorScript } from "./operator-scripts.ts";

/** 300 for the long run. */
const SECONDS = Number(process.env.OPERATORS_SECONDS ?? 12);
const SEED = Number(process.env.OPERATORS_SEED ?? 1);
const SCRIPTS = 20;
const VICTIM = "operators/victim";
/** On a machine that is busy. Milliseconds. */
const TOLD_MS = 60_000;

const config = {
  auto_load: [BYSTANDER],
  // Only operators decide here; what their kills lead to on probation is enough.
  load_on_request: "never",
  quarantine: { failures: 1_000, flap_failures: 1_000, probation_seconds: 1, probation_requests: 1 },
};

let chaos: ChaosService;

beforeAll(async () => {
  chaos = await ChaosService.start({ workers: "real", config });
  await chaos.loaded(VICTIM);
});
afterAll(() => chaos.dispose());

it(
  `${SCRIPTS} operators' scripts on one model at once: all are answered, and the audit trail explains what came of it`,
  async () => {
    const written = chaosConfig("real", config);
    const scripts = Array.from(
      { length: SCRIPTS },
      (_, number) => new OperatorScript(chaos, VICTIM, written, { seed: SEED, number }),
    );
    const rounds = new Rounds(chaos, VICTIM, scripts);
    await rounds.begin();
    // The connections that the clients keep open are there before files are counted.
    await rounds.perform();
    await withBystander(chaos, null, async () => {
      const bystander = await chaos.pid(BYSTANDER);
      const end = performance.now() + SECONDS * 1000;
      do await rounds.perform();
      while (performance.now() < end);
      expect(await chaos.pid(BYSTANDER)).toBe(bystander);
      expect((await chaos.model(BYSTANDER)).readiness.failures).toBe(0);
      const reason = "the end of the test";
      expect((await chaos.admin("/admin/models/release", { model_id: VICTIM, reason })).status).toBe(200);
      expect((await chaos.load(VICTIM, { reason })).status).toBe(200);
      expect((await chaos.model(VICTIM)).readiness.state).toBe("routable");
      expect(await chaos.ask(VICTIM, "hello", { max_tokens: 8 })).toMatchObject({
        error: null,
        finish: "length",
      });
    });
    if (process.env.OPERATORS_SECONDS !== undefined)
      console.info({ seconds: SECONDS, seed: SEED, ...rounds.figures() });
  },
  (SECONDS + 300) * 1000,
);

it("an unload is the last word for a restart and a load that still wait for the old worker to leave", async () => {
  const act = async (verb: string) =>
    await chaos.admin(`/admin/models/${verb}`, { model_id: VICTIM, reason: `last word: ${verb}` });
  const toldOf = async (verb: string) =>
    await waitUntil(
      `the ${verb} stands in the audit trail`,
      async () => (await auditRows(chaos)).some(({ reason }) => reason === `last word: ${verb}`),
      TOLD_MS,
    );
  const leaving = new AbortController();
  const running = { stream: true, max_tokens: 2_000 };
  await chaos.lmx.chat(VICTIM, "a story without an end", running, { signal: leaving.signal });
  const restarted = act("restart");
  await waitUntil(
    "the old worker finishes what runs",
    async () => (await chaos.lmx.model(VICTIM)).readiness.detail === "draining",
    TOLD_MS,
  );
  const loaded = act("load");
  await toldOf("load");
  const unloaded = act("unload");
  await toldOf("unload");
  leaving.abort();
  expect((await unloaded).status).toBe(200);
  for (const { status, body } of [await restarted, await loaded])
    expect([status, body.error?.code]).toEqual([409, "model_not_ready"]);
  expect(await standingAtRest(chaos, VICTIM)).toBe("unloaded");
});
