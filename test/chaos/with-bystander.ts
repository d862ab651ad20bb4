import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { type Answer, BYSTANDER, type ChaosService } from "./chaos-service.ts";
import { openFiles, residentBytes, workersOf, zombiesOf } from "./processes.ts";
import { waitUntil } from "./wait-until.ts";

/** Ten times what the design names for `/livez`. Milliseconds. */
const LIVEZ_MS = 1_000;
/** Ten times the two seconds after which no orphan may be left. Milliseconds. */
const SETTLED_MS = 20_000;
/** Connections that clients keep open for a while. */
const FILES_SLACK = 12;
/** A process at rest collects what is garbage after some ten seconds. Milliseconds. */
const MEMORY_BACK_MS = 30_000;
/** What a heap may grow by before it is collected. */
const MEMORY_SLACK_BYTES = 192 * 1024 * 1024;

const PROMPT = "go on";
const TOKENS = 60;

/** What the bystander says when nothing else happens, by service. */
const undisturbedTexts = new WeakMap<ChaosService, string>();

export interface RowFailure {
  readonly model: string;
  readonly class: string | RegExp;
  readonly cause: string | RegExp;
}

/**
 * Runs a fault and asserts what holds for every row: the same API process, `/livez` in time, a second model whose
 * streams stay whole, no orphan, no zombie, no leak, a registry that parses, and a log line with class and cause.
 *
 * @param failure what the log must say about the fault; null: the fault is no failure of a worker
 */
export async function withBystander(
  service: ChaosService,
  failure: RowFailure | null,
  fault: () => Promise<void>,
): Promise<void> {
  const { lmx } = service;
  const undisturbed = undisturbedTexts.get(service) ?? (await askBystander(service)).text;
  undisturbedTexts.set(service, undisturbed);
  const before = { files: openFiles(lmx.pid), bytes: residentBytes(lmx.pid), requests: service.openRequests };
  const load = new BystanderLoad(service, undisturbed);
  try {
    await fault();
  } finally {
    await load.stop();
  }
  expect(load.problems).toEqual([]);
  expect(load.streams).toBeGreaterThan(0);
  // One slow answer in a while is the machine's; an event loop that is blocked is slow for many, or for long.
  const slow = load.livezMs.filter((milliseconds) => milliseconds > LIVEZ_MS);
  expect(slow.length).toBeLessThanOrEqual(Math.ceil(load.livezMs.length / 100));
  expect(Math.max(...load.livezMs)).toBeLessThan(5 * LIVEZ_MS);
  expect(service.openRequests).toBe(before.requests);
  expect(lmx.process.exitCode).toBeNull();
  const status = (await (await lmx.fetch("/admin/status")).json()) as { pid: number };
  expect(status.pid).toBe(lmx.pid);
  if (failure !== null) expectFailure(service, failure);
  await expectNothingLeft(service, before);
}

function askBystander(service: ChaosService): Promise<Answer> {
  return service.ask(BYSTANDER, PROMPT, { max_tokens: TOKENS });
}

function expectFailure(service: ChaosService, failure: RowFailure): void {
  const matches = (expected: string | RegExp, found: string) =>
    typeof expected === "string" ? found === expected : expected.test(found);
  const lines = service.failures(failure.model);
  const found = lines.some(
    (line) => matches(failure.class, line.class) && matches(failure.cause, line.cause),
  );
  if (!found) expect(lines, "a log line with class and cause").toContainEqual(failure);
}

async function expectNothingLeft(
  service: ChaosService,
  before: { readonly files: number; readonly bytes: number },
): Promise<void> {
  const { lmx } = service;
  await waitUntil(
    "every worker process belongs to a model, and none is a zombie",
    async () => {
      const list = (await (await lmx.fetch("/admin/models")).json()) as {
        data: { worker: { pid: number } | null }[];
      };
      const known = new Set(list.data.map(({ worker }) => worker?.pid));
      return workersOf(lmx.home).every((pid) => known.has(pid)) && zombiesOf(lmx.pid).length === 0;
    },
    SETTLED_MS,
  );
  await waitUntil(
    `open files back to ${before.files}`,
    () => openFiles(lmx.pid) <= before.files + FILES_SLACK,
    SETTLED_MS,
  );
  await waitUntil(
    `resident memory back to ${before.bytes} bytes`,
    () => residentBytes(lmx.pid) - before.bytes < MEMORY_SLACK_BYTES,
    MEMORY_BACK_MS,
  );
  expectRegistryParses(lmx.home);
}

/** The registry is a file of rows, whatever happened. */
export function expectRegistryParses(home: string): void {
  const file = join(home, "compatibility-registry.json");
  if (!existsSync(file)) return;
  const { schema, entries } = JSON.parse(readFileSync(file, "utf8")) as {
    schema: number;
    entries: unknown[];
  };
  expect(schema).toBe(1);
  expect(Array.isArray(entries)).toBe(true);
}

/** One client that never stops asking the second model, and one that never stops asking whether the API lives. */
class BystanderLoad {
  readonly problems: string[] = [];
  streams = 0;
  /** How long each answer of `/livez` took, milliseconds. */
  readonly livezMs: number[] = [];
  #isOn = true;
  readonly #ended: Promise<unknown>;

  constructor(service: ChaosService, undisturbed: string) {
    this.#ended = Promise.all([
      this.#while(async () => {
        const { text, error } = await askBystander(service);
        this.streams += 1;
        if (error !== null) this.problems.push(`the bystander's stream ended with ${error}`);
        else if (text !== undisturbed) this.problems.push(`the bystander's text changed: ${text}`);
      }),
      this.#while(async () => {
        const asked = performance.now();
        const { status } = await service.lmx.fetch("/livez");
        this.livezMs.push(performance.now() - asked);
        if (status !== 200) this.problems.push(`/livez answered ${status}`);
        await wait(50);
      }),
    ]);
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#ended;
  }

  async #while(act: () => Promise<void>): Promise<void> {
    while (this.#isOn) {
      await act().catch(async (error: Error) => {
        this.problems.push(error.message);
        await wait(50);
      });
    }
  }
}
