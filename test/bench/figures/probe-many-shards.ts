import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ProbeResult } from "../../../shared/admin.ts";
import { inspectSnapshot } from "../../../supervisor/models/snapshot/inspect-snapshot.ts";
import type { BenchContext } from "../bench-context.ts";
import type { Figure } from "../figure.ts";
import { longestHoldMs } from "../longest-hold.ts";
import type { LmxService } from "../servers/lmx-service.ts";

/** Long enough for the spare worker's imports, which a service that has been up for a while has behind it. */
const SETTLE_MS = 5_000;
const FILES = 91;
const MODEL = `a model of ${FILES} files, 577 GB`;

/** `POST /admin/models/probe` of a model that was never looked at: its structure is loaded in a worker of its own. */
export const probeFirst: Figure = {
  name: "probe-91-files-first",
  title: `probe of ${MODEL}: the first`,
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [],
  measure: (context) =>
    withService(context, async (service, id) => {
      return [await probeMs(service, id)];
    }),
};

/** The same once its structure is known: files and memory are looked at each time. */
export const probeAgain: Figure = {
  name: "probe-91-files-again",
  title: `probe of ${MODEL}: again`,
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [],
  measure: (context) =>
    withService(context, async (service, id) => {
      await probeMs(service, id);
      return await repeat(context.quick ? 5 : 20, () => probeMs(service, id));
    }),
};

/** What of it the supervisor does by itself, in this process: headers, config, vocabulary. No worker, no HTTP. */
export const inspectFiles: Figure = {
  name: "inspect-91-files",
  title: `reading headers and vocabulary of ${MODEL}`,
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [{ kind: "limit", of: "opta-lmx", statistic: "median", direction: "at-most", value: 50 }],
  async measure(context) {
    const directory = await directoryOf(context);
    await inspectMs(directory);
    return await repeat(context.quick ? 5 : 20, () => inspectMs(directory));
  },
};

/** The longest time meanwhile in which no other request could have been answered. */
export const inspectHold: Figure = {
  name: "inspect-91-files-hold",
  title: "longest hold of the event loop meanwhile",
  unit: "ms",
  subjects: ["opta-lmx"],
  goals: [{ kind: "limit", of: "opta-lmx", statistic: "median", direction: "at-most", value: 20 }],
  async measure(context) {
    const directory = await directoryOf(context);
    await inspectMs(directory);
    return await repeat(context.quick ? 5 : 20, () => longestHoldMs(inspectMs(directory)));
  },
};

async function withService(
  context: BenchContext,
  work: (service: LmxService, modelId: string) => Promise<readonly number[]>,
): Promise<readonly number[]> {
  const { id, root } = await context.manyShards();
  const service = await context.freshService({ models: [], modelRoot: root });
  try {
    await service.listening();
    await delay(SETTLE_MS);
    return await work(service, id);
  } finally {
    await service.end();
  }
}

async function probeMs(service: LmxService, modelId: string): Promise<number> {
  const started = performance.now();
  const result = await service.probe(modelId);
  const took = performance.now() - started;
  checkVerdict(result);
  return took;
}

/** On most machines there is no memory for it: a refusal for that, and that alone, means everything was looked at. */
function checkVerdict({ code, checks }: ProbeResult): void {
  const failed = checks.filter(({ status }) => status === "fail").map(({ name }) => name);
  const isWhole = checks.some(({ name }) => name === "memory");
  if (!isWhole || failed.some((name) => name !== "memory"))
    throw new Error(`expected a verdict on memory, got ${code}: ${JSON.stringify(checks)}`);
}

async function directoryOf(context: BenchContext): Promise<string> {
  const { id, root } = await context.manyShards();
  return join(root, id);
}

async function inspectMs(directory: string): Promise<number> {
  const started = performance.now();
  const { shards, problems } = await inspectSnapshot(directory);
  const took = performance.now() - started;
  if (shards.length !== FILES || problems.length > 0)
    throw new Error(`expected ${FILES} sound files, got ${shards.length} and ${JSON.stringify(problems)}`);
  return took;
}

async function repeat(times: number, measure: () => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < times; index += 1) samples.push(await measure());
  return samples;
}
