import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import type { ReducedArchitecture } from "../../shared/admin-sweep.ts";
import { timeoutsSchema } from "../../shared/config.ts";
import type { RegistryEntry } from "../../shared/registry.ts";
import type { WorkerMethod } from "../../shared/worker-protocol.ts";
import { CompatSweep, type SweepPorts } from "../../supervisor/compat/compat-sweep.ts";
import { SweepRecord } from "../../supervisor/compat/sweep-record.ts";
import { LoadQueue } from "../../supervisor/workers/load-queue.ts";
import { FakeWorker } from "./fake-worker.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

export const VERSIONS = { python: "3", mlx: "0.1", mlx_lm: "0.2" };

/** A real sweep over fake workers and a builder that writes a small directory. */
export async function sweepWithFakes(
  options: {
    listed?: readonly ReducedArchitecture[];
    manual?: readonly WorkerMethod[];
    rows?: RegistryEntry[];
    ports?: Partial<SweepPorts>;
  } = {},
) {
  const {
    listed = [
      { arch: "a", family: "a" },
      { arch: "b", family: "b" },
    ],
    rows = [],
  } = options;
  const scratch = await temporaryDirectory();
  const workers: FakeWorker[] = [];
  const registry = {
    record: (row: RegistryEntry) => void rows.push(row),
    entries: (filter: Partial<RegistryEntry> = {}) =>
      rows.filter((row) => Object.entries(filter).every(([key, value]) => Object(row)[key] === value)),
  };
  const sweep = new CompatSweep({
    versions: async () => VERSIONS,
    list: async () => listed,
    build: async (arch, directory) => {
      const path = join(directory, "model");
      await mkdir(path);
      await writeFile(join(path, "config.json"), JSON.stringify({ model_type: arch }));
      await writeFile(join(path, "model.safetensors"), "weights");
      return { kind: "built", path };
    },
    launch: async () => {
      const worker = new FakeWorker(1000 + workers.length, options.manual);
      workers.push(worker);
      return worker.session;
    },
    loads: new LoadQueue(),
    timeouts: timeoutsSchema.parse({}),
    scratch,
    record: new SweepRecord(registry),
    log: pino({ level: "silent" }),
    ...options.ports,
  });
  return { sweep, workers, rows, scratch };
}

/** Resolves when the condition holds; the test's own time limit bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
