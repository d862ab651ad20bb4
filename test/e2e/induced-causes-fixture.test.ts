import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServiceEvent } from "../../shared/events.ts";
import { ChaosService } from "../chaos/chaos-service.ts";
import { dossierOf, dossiersOf, expectDeath, onEvent } from "./dossier-checks.ts";
import { type KnownDeath, SCRIPTED_DEATHS, type ScriptedDeath } from "./induced-deaths.ts";

/** Deaths of known cause of a scripted worker, and what the API says of each: what the shipped one cannot do on its own. */
const scratch = mkdtempSync(join(tmpdir(), "lmx-causes-"));
const MEBIBYTE = 1024 * 1024;
let asked = 0;

let fixture: ChaosService;

beforeAll(async () => {
  // Nobody is quarantined here: one model dies as often as there are causes.
  const quarantine = { failures: 1_000, flap_failures: 1_000 };
  const models = { "fixture/grows": { memory_limit_bytes: 700 * MEBIBYTE } };
  fixture = await ChaosService.start({ workers: "fixture", config: { quarantine, models } });
});
afterAll(async () => {
  await fixture?.dispose();
  rmSync(scratch, { recursive: true, force: true });
});

describe("the fixture worker, with the words of a death on record", () => {
  const at = { starting: "start", loading: "load", canary: "canary", serving: "serving" } as const;

  /** The next death of a model's worker is this one. */
  function prepare(file: string, { before, said, after, phase, signal, code, fatal }: ScriptedDeath): void {
    const stderr = `${before ?? ""}${said}${after ?? "\n"}`;
    writeFileSync(file, JSON.stringify({ at: at[phase], stderr, signal, code, fatal }));
  }

  it.each(SCRIPTED_DEATHS)("fixture: $name", async (death) => {
    const isServing = death.phase === "serving";
    const id = isServing ? "fixture/serving" : `fixture/death-${asked++}`;
    const script = join(scratch, id.replace("/", "-"));
    prepare(script, death);
    if (!isServing || !(await isKnown(id))) fixture.addModel(id, { habit: "dies_saying", script });
    let pid: number | null = null;
    if (isServing) {
      expect((await fixture.load(id)).status).toBe(200);
      pid = await fixture.pid(id);
    }
    const dossier = await dossierOf(fixture, id, async () => {
      if (!isServing) return expect((await fixture.load(id)).status).toBeGreaterThanOrEqual(400);
      const answer = await fixture.ask(id, `bad number ${asked++}`);
      return expect(answer).toMatchObject({ error: "worker_crashed", text: "the supervisor " });
    });
    expectDeath(dossier, id, pid, death);
    expect(dossier.in_flight).toHaveLength(isServing ? 1 : 0);
  });

  async function isKnown(id: string): Promise<boolean> {
    return await fixture.lmx.model(id).then(
      () => true,
      () => false,
    );
  }
});

describe("the fixture worker, with a habit for which it has to be ended", () => {
  const served = { phase: "serving", class: "crash", recovery: "respawn_now", said: null } as const;
  const endedBy = /ended by the supervisor/;
  const cases: readonly (KnownDeath & { readonly habit: string; readonly [option: string]: unknown })[] = [
    {
      habit: "holds_gil",
      ...served,
      cause: "hung",
      signal: "SIGKILL",
      advice: /^See the stacks for where it hangs/,
      endedBy,
      said: /most recent call first/,
    },
    {
      habit: "no_steps",
      ...served,
      cause: "wedged",
      signal: "SIGKILL",
      advice: /its stack dump is in the dossier/,
      endedBy,
      said: /most recent call first/,
    },
    {
      habit: "grows",
      bytes: 900 * MEBIBYTE,
      ...served,
      class: "resource",
      cause: "footprint",
      // Asked to leave first, when it was seen before it had taken all.
      signal: /^SIG(?:KILL|TERM)$/,
      advice: /memory_limit_bytes/,
      recovery: "wait",
      endedBy,
    },
    {
      habit: "endless_line",
      ...served,
      cause: "protocol_violation",
      signal: "SIGKILL",
      advice: /prints where messages belong/,
      endedBy,
    },
  ];
  it.each(cases)("fixture: $habit, so it is $cause", async ({ habit, bytes, ...known }) => {
    const id = await fixture.loaded(`fixture/${habit}`, { habit, ...(bytes === undefined ? {} : { bytes }) });
    const pid = await fixture.pid(id);
    const dossier = await dossierOf(fixture, id, () => fixture.ask(id, "bad", { max_tokens: 2_000 }));
    expectDeath(dossier, id, pid, known);
  });

  it.each([
    {
      habit: { habit: "load_hangs" },
      phase: "loading",
      cause: "load_timeout",
      signal: "SIGKILL",
      advice: /load_stall_seconds/,
      recovery: "wait",
    },
    {
      habit: { habit: "bad_canary", how: "timeout" },
      phase: "canary",
      cause: "canary_timeout",
      signal: "SIGKILL",
      advice: /timeouts.canary_seconds/,
      recovery: "wait",
    },
  ] as const)("fixture: no answer while $phase, so it is $cause", async ({ habit, ...known }) => {
    const id = fixture.addModel(`fixture/${known.cause}`, habit);
    const dossier = await dossierOf(fixture, id, () => fixture.load(id));
    expectDeath(dossier, id, null, { class: "crash", endedBy, said: null, ...known });
  });

  it("fixture: asked to leave and deaf to it is no death, though no ping is answered any more", async () => {
    const id = await fixture.loaded("fixture/stays", { habit: "ignores_stop" });
    const exited = Promise.withResolvers<ServiceEvent>();
    const ear = await onEvent(
      fixture,
      ({ type, model }) => type === "worker_exited" && model === id,
      exited.resolve,
    );
    expect((await fixture.admin("/admin/models/unload", { model_id: id })).status).toBe(200);
    expect(await exited.promise).toMatchObject({
      reason: null,
      details: { cause: "stopped", class: null, signal: "SIGKILL", dossier_id: null },
    });
    await ear.leave();
    expect(await dossiersOf(fixture, id)).toEqual([]);
  });
});
