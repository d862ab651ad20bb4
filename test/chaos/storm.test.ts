import { expect } from "vitest";
import { ChaosService } from "./chaos-service.ts";
import { row, slowRow } from "./row.ts";
import { withBystander } from "./with-bystander.ts";

const SIGNALS = ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGBUS"] as const;
/** Nobody is kept out: this is about the supervisor, not about the models. */
const quarantine = { failures: 1_000_000, flap_failures: 1_000_000 };

/** Deaths of the long storm, one after the other; fewer for a look at the test itself. */
const DEATHS = Number(process.env.CHAOS_DEATHS ?? 500);

let chaos: ChaosService;
let prompts = 0;

/** Loads it if need be, kills its worker while it answers, and sees to it that the client is told once. */
async function die(id: string, signal: NodeJS.Signals): Promise<number> {
  const { status } = await chaos.load(id);
  expect(status).toBe(200);
  const pid = await chaos.pid(id);
  let isKilled = false;
  // Another prompt each time: the same one would be suspected.
  const answer = await chaos.ask(id, `story ${prompts++}`, { max_tokens: 2_000 }, () => {
    if (!isKilled) isKilled = process.kill(pid, signal);
  });
  expect([isKilled, answer.error]).toEqual([true, "worker_crashed"]);
  return pid;
}

/** Every death was seen, with its own signal. */
function expectSeen(deaths: ReadonlyMap<number, string>): void {
  const exits = chaos.logLines().filter(({ msg }) => msg === "worker exited");
  const seen = new Map(exits.map(({ pid, signal }) => [Number(pid), String(signal)]));
  for (const [pid, signal] of deaths) expect([pid, seen.get(pid)]).toEqual([pid, signal]);
}

const signalOf = (n: number): NodeJS.Signals => SIGNALS[n % SIGNALS.length] ?? "SIGKILL";

async function storm(ids: readonly string[], each: number, signalShift = 0): Promise<void> {
  for (const id of ids) chaos.addModel(id);
  const deaths = new Map<number, string>();
  const first = ids[0] ?? "";
  await withBystander(chaos, { model: first, class: /crash|resource/, cause: /./ }, async () => {
    await Promise.all(
      ids.map(async (id, index) => {
        for (let n = 0; n < each; n++) {
          const signal = signalOf(n + index + signalShift);
          deaths.set(await die(id, signal), signal);
        }
      }),
    );
    expectSeen(deaths);
    for (const id of ids) await chaos.admin("/admin/models/unload", { model_id: id });
  });
  expect(deaths.size).toBe(ids.length * each);
}

row(
  "W21",
  "fixture",
  "200 deaths of 4 signals in 4 models at once: none missed, no leak, the other model untouched",
  async () => {
    chaos = await ChaosService.start({ workers: "fixture", config: { quarantine } });
    try {
      await storm(["w21/a", "w21/b", "w21/c", "w21/d"], 50);
    } finally {
      await chaos.dispose();
    }
  },
);

slowRow(
  "W21",
  "real",
  "500 deaths one after the other and 50 at once, by 4 signals, while another model streams",
  async () => {
    chaos = await ChaosService.start({ workers: "real", config: { quarantine } });
    try {
      await storm(["w21/one"], DEATHS);
      // Ten workers die within the same moment, five times.
      const ten = Array.from({ length: 10 }, (_, n) => `w21/parallel-${n}`);
      await storm(ten, Math.max(1, Math.round(DEATHS / 100)), 1);
    } finally {
      await chaos.dispose();
    }
  },
);
