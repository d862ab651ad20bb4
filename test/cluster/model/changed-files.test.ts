import { rm } from "node:fs/promises";
import { expect, it } from "vitest";
import type { LoadHistory } from "../../../supervisor/cluster/admission/load-history.ts";
import type { AdmissionReport } from "../../../supervisor/cluster/admission/model-admission.ts";
import type { HostPorts } from "../../../supervisor/cluster/model-host.ts";
import type { CatalogueEntry } from "../../../supervisor/models/catalogue-entry.ts";
import { LoadQueue } from "../../../supervisor/workers/load-queue.ts";
import { ADMITS, anyPrint, ENTRY, hostWithFakes } from "../../support/fake-cluster-parts.ts";
import { settled } from "../../support/fake-worker.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const never = new AbortController().signal;
const INCOMPLETE = { code: "model_incomplete", cause: "weights", message: "half of it is there" };

/** A host of a model in a real directory; what was examined, loaded and recorded is by digest. */
async function hosting() {
  const entry: CatalogueEntry = { ...ENTRY, path: await temporaryDirectory() };
  const loads = new LoadQueue();
  const examined: (string | null)[] = [];
  const overrides: boolean[] = [];
  const recorded: unknown[] = [];
  const keys: (string | null)[] = [];
  const world = { broken: [] as (string | null)[], looking: Promise.resolve() };
  const examine: HostPorts["admission"]["examine"] = async ({ digest }, options) => {
    examined.push(digest);
    overrides.push(options.overrides.unsupportedRuntime);
    await world.looking;
    const report = await ADMITS.examine(entry, options);
    const failure = world.broken.includes(digest) ? { class: "deterministic", reason: INCOMPLETE } : null;
    return {
      ...report,
      failure,
      structure: failure === null ? { of: digest } : null,
    } as unknown as AdmissionReport;
  };
  const record = {
    mayStartOnRequest: () => false,
    outcome: (
      { digest }: CatalogueEntry,
      outcome: string,
      _: unknown,
      { structure }: { structure: unknown },
    ) => recorded.push([outcome, digest, structure]),
  } as unknown as LoadHistory;
  const parts = hostWithFakes({
    ports: {
      admission: { ...ADMITS, examine },
      record,
      loads,
      intents: { begin: async (key) => void keys.push(key), end: () => {} },
    },
  });
  parts.host.refresh(entry);
  const paths = () =>
    parts.workers.map(({ asked }) => asked.find(({ method }) => method === "load")?.params.path);
  const served = async () => await parts.host.ensureReady(performance.now() + 5_000, never, anyPrint());
  return { ...parts, entry, loads, examined, overrides, recorded, keys, world, paths, served };
}

it("a restart loads the files that were admitted, though an update has come, or half of it", async () => {
  const { host, workers, entry, examined, recorded, keys, paths, served } = await hosting();
  await host.load(never);
  host.refresh({ ...entry, digest: "d2", path: "/elsewhere" });
  workers[0]?.die({ signal: "SIGKILL" });
  await settled();
  await served();
  expect(paths()).toEqual([entry.path, entry.path]);
  expect(examined).toEqual(["d1"]);
  expect(keys).toEqual(["d1", "d1"]);
  expect(recorded).toEqual([
    ["pass", "d1", { of: "d1" }],
    ["pass", "d1", { of: "d1" }],
  ]);
});

it("a restart looks at the update when the files that were admitted are gone", async () => {
  const { host, workers, entry, examined, recorded, keys, paths, served } = await hosting();
  await host.load(never);
  host.refresh({ ...entry, digest: "d2", path: "/elsewhere" });
  await rm(entry.path, { recursive: true });
  workers[0]?.die({ signal: "SIGKILL" });
  await settled();
  await served();
  expect(paths()).toEqual([entry.path, "/elsewhere"]);
  expect(examined).toEqual(["d1", "d2"]);
  expect(keys).toEqual(["d1", "d2"]);
  expect(recorded.at(-1)).toEqual(["pass", "d2", { of: "d2" }]);
});

it("a restart looks again at files that were changed in their place, past the same limits, and loads none that are broken", async () => {
  const { host, workers, entry, examined, overrides, recorded, world, served } = await hosting();
  await host.load(never, { by: "operator", overrides: { unsupportedRuntime: true, safeMode: false } });
  host.refresh({ ...entry, digest: "d2" });
  world.broken = ["d2"];
  workers[0]?.die({ signal: "SIGKILL" });
  await settled();
  await expect(served()).rejects.toMatchObject({ code: "model_incomplete" });
  expect(workers).toHaveLength(1);
  expect(examined).toEqual(["d1", "d2"]);
  expect(overrides).toEqual([true, true]);
  expect(recorded.at(-1)).toEqual(["fail", "d2", null]);
});

it("a load looks again at files that were changed while it waited for its turn", async () => {
  const { host, workers, entry, loads, examined, recorded } = await hosting();
  const other = loads.ask(() => {});
  const load = host.load(never);
  await settled();
  expect([examined, workers.length]).toEqual([["d1"], 0]);
  host.refresh({ ...entry, digest: "d2" });
  other.giveBack();
  await load;
  expect(examined).toEqual(["d1", "d2"]);
  expect(recorded).toEqual([["pass", "d2", { of: "d2" }]]);
});

it("a load is of one set of files from the look at them to its record, though an update comes meanwhile", async () => {
  const { host, entry, examined, recorded, keys, paths, world } = await hosting();
  const looking = Promise.withResolvers<void>();
  world.looking = looking.promise;
  const load = host.load(never);
  await settled();
  host.refresh({ ...entry, digest: "d2", path: "/elsewhere" });
  looking.resolve();
  await load;
  expect([examined, keys, paths()]).toEqual([["d1"], ["d1"], [entry.path]]);
  expect(recorded).toEqual([["pass", "d1", { of: "d1" }]]);
});

it("a load that is taken back as its turn comes leaves the turn to others, and the next load waits for its own", async () => {
  const { host, workers, entry, loads } = await hosting();
  const first = loads.ask(() => {});
  const load = host.load(never);
  load.catch(() => {});
  await settled();
  const inBetween = loads.ask(() => {});
  host.refresh({ ...entry, digest: "d2", path: "/elsewhere" });
  first.giveBack();
  // Its turn has come, and the disk has not answered yet: that takes a turn of the event loop.
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  await host.unload(never);
  const next = host.load(never);
  await settled();
  await expect(load).rejects.toMatchObject({ code: "model_not_ready" });
  expect(workers).toEqual([]);
  inBetween.giveBack();
  await next;
  expect(workers).toHaveLength(1);
});
