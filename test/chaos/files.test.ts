import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, type TestContext } from "vitest";
import { RunningSupervisor, stateDirectory } from "../support/running-supervisor.ts";
import { tinyModels } from "../support/tiny-models.ts";
import { chaosConfig } from "./chaos-config.ts";
import { BYSTANDER, type ChaosOptions, ChaosService } from "./chaos-service.ts";
import { row, slowRow } from "./row.ts";
import { smallDisk } from "./small-disk.ts";
import { waitUntil } from "./wait-until.ts";
import { expectRegistryParses, withBystander } from "./with-bystander.ts";

const running: ChaosService[] = [];

async function start(options: Partial<ChaosOptions> = {}): Promise<ChaosService> {
  const chaos = await ChaosService.start({ workers: "fixture", ...options });
  running.push(chaos);
  return chaos;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((chaos) => chaos.dispose()));
});

const REGISTRY = "compatibility-registry.json";
const degradedOf = async (chaos: ChaosService) =>
  ((await (await chaos.lmx.fetch("/admin/status")).json()) as { degraded: string[] }).degraded;

describe("a registry that is no registry", () => {
  const GIBIBYTE = 2 ** 30;
  const broken: Record<string, (file: string) => void> = {
    empty: (file) => writeFileSync(file, ""),
    truncated: (file) => writeFileSync(file, '{"schema":1,"entries":[{"model":"a/b","backe'),
    NUL: (file) => writeFileSync(file, Buffer.alloc(4096)),
    "wrong shape": (file) => writeFileSync(file, '{"schema":1,"entries":{"a":1}}'),
    "1 GiB": (file) => {
      writeFileSync(file, "[");
      truncateSync(file, GIBIBYTE);
    },
  };

  function homeWith(prepare: (file: string) => void): string {
    const config = JSON.stringify(chaosConfig("fixture", { auto_load: [BYSTANDER] }));
    const home = stateDirectory({ config, models: { [BYSTANDER]: tinyModels().endless } });
    prepare(join(home, REGISTRY));
    return home;
  }

  for (const [name, prepare] of Object.entries(broken))
    row(
      "R1",
      "fixture",
      `${name}: set aside, nothing is loaded unasked at this start, all else works`,
      async () => {
        const chaos = await start({ home: homeWith(prepare), waits: false });
        expect(
          readdirSync(chaos.home).filter((file) => file.startsWith(`${REGISTRY}.corrupt-`)),
        ).toHaveLength(1);
        await wait(300);
        expect((await chaos.model(BYSTANDER)).readiness.state).toBe("unloaded");
        expect((await chaos.load(BYSTANDER)).status).toBe(200);
        expect(await chaos.ask(BYSTANDER, "hello")).toMatchObject({ error: null });
        await chaos.lmx.stop("SIGTERM");
        expectRegistryParses(chaos.home);
      },
    );

  row("R1", "fixture", "broken, with a backup: the backup is used and models are loaded", async () => {
    const first = await start();
    await first.loaded("r1/second");
    await first.lmx.stop("SIGTERM");
    const home = first.home;
    expect(readdirSync(home)).toContain(`${REGISTRY}.bak`);
    writeFileSync(join(home, REGISTRY), "[[[");
    const chaos = await start({ home });
    const rows = (await (await chaos.lmx.fetch("/admin/models/compatibility")).json()) as { data: unknown[] };
    expect(rows.data.length).toBeGreaterThan(0);
  });

  row("R1", "fixture", "of a newer release: read, never written, said so", async () => {
    const text = JSON.stringify({ schema: 99, entries: [], later: true });
    const chaos = await start({ home: homeWith((file) => writeFileSync(file, text)), waits: false });
    expect((await chaos.load(BYSTANDER)).status).toBe(200);
    expect((await degradedOf(chaos)).join(" ")).toContain(REGISTRY);
    await chaos.lmx.stop("SIGTERM");
    expect(readFileSync(join(chaos.home, REGISTRY), "utf8")).toBe(text);
  });

  row("R1", "fixture", "with fields nobody knows: used as it is", async () => {
    const text = JSON.stringify({ schema: 1, entries: [], extra: { a: [1] } });
    const chaos = await start({ home: homeWith((file) => writeFileSync(file, text)) });
    expect((await chaos.model(BYSTANDER)).readiness.state).toBe("routable");
    expect(readdirSync(chaos.home).filter((file) => file.includes("corrupt"))).toEqual([]);
  });
});

describe("a disk that is full", () => {
  const QUARANTINE = { failures: 1 };

  row(
    "R2",
    "fixture",
    "ENOSPC: degraded and said so, a quarantine holds in memory, it recovers, no litter",
    async (test) => {
      await onSmallDisk(test, async (disk) => {
        const home = homeOn(disk);
        const chaos = await start({ home, config: { quarantine: QUARANTINE } });
        const id = await chaos.loaded("r2/crashes", { habit: "crashes", at: 1 });
        await withBystander(chaos, { model: id, class: "crash", cause: "native_segv" }, async () => {
          fill(join(disk, "filler"));
          expect(await chaos.ask(id, "bad")).toMatchObject({ error: "worker_crashed" });
          await chaos.lmx.becomes(id, "quarantined");
          expect(await chaos.ask(id, "hello")).toMatchObject({ error: "model_unstable" });
          await waitUntil("it says so", async () => (await degradedOf(chaos)).length > 0, 20_000);
          rmSync(join(disk, "filler"));
          // The next change is written, and with it all before.
          await chaos.admin("/admin/models/quarantine", { model_id: id, reason: "now it can be written" });
          await waitUntil(
            "nothing is in memory only",
            async () => {
              await chaos.admin("/admin/models/unload", { model_id: id });
              return (await degradedOf(chaos)).length === 0;
            },
            60_000,
          );
          expect(readFileSync(join(home, "quarantine.json"), "utf8")).toContain("r2/crashes");
        });
        await chaos.lmx.stop("SIGTERM");
        expect(readdirSync(home).filter((file) => /tmp-|\.tmp/.test(file))).toEqual([]);
      });
    },
  );

  row(
    "S6",
    "fixture",
    "a second instance while the disk is full: exit 75, no worker is touched",
    async (test) => {
      await onSmallDisk(test, async (disk) => {
        const home = homeOn(disk);
        const chaos = await start({ home });
        await withBystander(chaos, null, async () => {
          fill(join(disk, "filler"));
          const env = { OPTA_LMX_WORKER_DIRECTORY: chaos.fixtures };
          const second = RunningSupervisor.spawn({ home, env });
          expect(await second.exited).toEqual({ code: 75, signal: null });
          expect(second.output).toContain(String(chaos.lmx.pid));
        });
      });
    },
  );

  row("H6", "fixture", "for the log: the service serves on and says so once", async (test) => {
    await onSmallDisk(test, async (disk) => {
      fill(join(disk, "filler"));
      await servesWithoutLog((logs) => symlinkSync(disk, logs), "ENOSPC");
    });
  });

  row("H6", "fixture", "a device in place of the log: the service serves on and says so once", async () => {
    const device = (logs: string) => {
      mkdirSync(logs);
      symlinkSync("/dev/full", join(logs, "supervisor.log"));
    };
    await servesWithoutLog(device, "is a device, expected a regular file");
  });
});

/** @param lay puts in place of the directory of logs what cannot be written */
async function servesWithoutLog(lay: (logs: string) => void, problem: string): Promise<void> {
  const config = JSON.stringify(chaosConfig("fixture", { auto_load: [BYSTANDER] }));
  const home = stateDirectory({ config, models: { [BYSTANDER]: tinyModels().endless } });
  lay(join(home, "logs"));
  const chaos = await start({ home });
  await withBystander(chaos, null, async () => {
    for (let n = 0; n < 3; n++)
      expect(await chaos.ask(BYSTANDER, `hello ${n}`)).toMatchObject({ error: null });
  });
  const told = chaos.logLines().filter(({ msg }) => msg === "the log file cannot be written");
  expect(told).toHaveLength(1);
  expect(String(told[0]?.error)).toContain(problem);
}

/** A file system of its own for one story; its services end before it goes. */
async function onSmallDisk(test: TestContext, story: (disk: string) => Promise<void>): Promise<void> {
  const disk = smallDisk(64 * 1024);
  if (disk === null) return test.skip("no file system may be mounted here");
  try {
    await story(disk.path);
  } finally {
    await Promise.all(running.splice(0).map((chaos) => chaos.dispose().catch(() => {})));
    disk.dispose();
  }
}

/** A state directory on that file system; the models are elsewhere. */
function homeOn(disk: string): string {
  const config = JSON.stringify(chaosConfig("fixture", { auto_load: [BYSTANDER] }));
  const prepared = stateDirectory({ config, models: { [BYSTANDER]: tinyModels().endless } });
  const home = join(disk, "home");
  mkdirSync(home);
  symlinkSync(join(prepared, "models"), join(home, "models"));
  return home;
}

/** Leaves no byte of the file system free. */
function fill(file: string): void {
  for (const size of [1 << 20, 4096, 1])
    for (;;) {
      try {
        writeFileSync(file, Buffer.alloc(size), { flag: "a" });
      } catch {
        break;
      }
    }
}

slowRow(
  "R3",
  "fixture",
  "kill -9 while it writes, forty times: every file parses at every next start",
  async () => {
    let home: string | undefined;
    for (let times = 0; times < 40; times++) {
      const chaos = await ChaosService.start({
        workers: "fixture",
        ...(home === undefined ? {} : { home }),
        waits: false,
      });
      home = chaos.home;
      const id = chaos.addModel(`r3/model-${times % 5}`, { habit: "crashes", at: 1 });
      const writing = Promise.allSettled([
        chaos.load(id, { override_safe_mode: true }).then(() => chaos.ask(id, `bad ${times}`)),
        chaos.admin("/admin/models/quarantine", { model_id: BYSTANDER, reason: `time ${times}` }),
      ]);
      await wait(100 + (times % 20) * 40);
      await chaos.killHard();
      await writing;
      for (const file of readdirSync(home).filter((name) => name.endsWith(".json")))
        expect(() => JSON.parse(readFileSync(join(home ?? "", file), "utf8"))).not.toThrow();
      expect(readdirSync(home).filter((name) => name.includes("corrupt"))).toEqual([]);
    }
    rmSync(home ?? "", { recursive: true, force: true });
  },
);
