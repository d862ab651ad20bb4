import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import type { ProbeResult } from "../../shared/admin.ts";
import { ChaosService } from "../chaos/chaos-service.ts";
import { ELEMENTS, filled } from "./bombs.ts";
import { abuse, isWhole } from "./row.ts";
import { underAbuse } from "./under-abuse.ts";

const MIB = 1024 * 1024;
const WORKERS_OWN = /^f1-(?:tokenizer-config|generation-config)-json/;
const AT_ONCE = 4;

interface ErrorBody {
  readonly error: { readonly code: string };
}

const UNITS = isWhole ? ELEMENTS : (['{"34":0}', "{}", "0", '"a"'] as const);
/** Files of a model that are read as a tree, or gone through. */
const JSON_FILES = isWhole
  ? ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
  : ["config.json"];

let service: ChaosService;
let sentinels = 0;

beforeAll(async () => {
  service = await ChaosService.start({ workers: "real" });
});

afterAll(() => service?.dispose());

/**
 * Probes them all, so many at once. What only the worker reads may be admitted: there it takes memory of the worker's.
 */
async function probeAll(ids: readonly string[]): Promise<void> {
  const left = [...ids];
  const odd: string[] = [];
  const one = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      const response = await service.lmx.post("/admin/models/probe", { model_id: id });
      const { verdict, code, error } = (await response.json()) as Partial<ProbeResult & ErrorBody>;
      const isRefused = verdict === "refuse" && typeof code === "string";
      const isWorkersOwn = verdict === "admit" && WORKERS_OWN.test(id);
      const isUnknown = response.status === 404 && error?.code === "model_not_found";
      if (!isRefused && !isWorkersOwn && !isUnknown)
        odd.push(`${id}: ${response.status} ${verdict} ${code} ${error?.code}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  expect(odd).toEqual([]);
}

/** A model of which one file is replaced. */
async function withFile(id: string, name: string, replace: (path: string) => void): Promise<string> {
  service.addModel(id);
  const path = join(service.home, "models", id, name);
  rmSync(path, { force: true });
  replace(path);
  return id;
}

/** Waits until the service has looked at its models after all of these were there. */
async function untilLookedAt(): Promise<void> {
  sentinels += 1;
  await service.model(service.addModel(`sentinel/${sentinels}`));
}

abuse("F1", "JSON that would become gigabytes in the place of each file, four probes at once", async () => {
  await underAbuse(service, async () => {
    const ids = await Promise.all(
      JSON_FILES.flatMap((name) =>
        UNITS.map((unit, n) =>
          withFile(`f1-${name.replaceAll(/[^a-z]/g, "-")}/bomb-${n}`, name, (path) =>
            writeFileSync(path, filled('{"model_type":"llama","text_config":[', unit, "]}", 15 * MIB)),
          ),
        ),
      ),
    );
    await untilLookedAt();
    await probeAll(ids);
  });
});

abuse("F2", "pipes, devices and what has no end in the place of each file, four probes at once", async () => {
  const fakes: Readonly<Record<string, (path: string) => void>> = {
    pipe: (path) => void execFileSync("mkfifo", [path]),
    directory: (path) => mkdirSync(path),
    // A link out of the places of models: such a model is not there.
    device: (path) => symlinkSync("/dev/zero", path),
    endless: (path) => symlinkSync("/proc/kmsg", path),
  };
  await underAbuse(service, async () => {
    const ids = await Promise.all(
      ["config.json", "tokenizer.json", "model.safetensors"].flatMap((name) =>
        Object.entries(fakes).map(([kind, replace]) =>
          withFile(`f2-${name.replaceAll(/[^a-z]/g, "-")}/${kind}`, name, replace),
        ),
      ),
    );
    await untilLookedAt();
    await probeAll(ids);
  });
});
