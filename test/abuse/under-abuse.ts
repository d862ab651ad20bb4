import { expect } from "vitest";
import { percentile } from "../../supervisor/telemetry/percentile.ts";
import { BYSTANDER, type ChaosService } from "../chaos/chaos-service.ts";
import { forgetPeak, peakResidentBytes, residentBytes, zombiesOf } from "../chaos/processes.ts";
import { waitUntil } from "../chaos/wait-until.ts";
import {
  beyondLimits,
  describeFigures,
  type Figures,
  LIMITS,
  latenciesOf,
  QUICK_LIMITS,
} from "./judge-abuse.ts";
import { isWhole } from "./row.ts";
import { type BystanderAnswer, type BystanderQuestion, type Sightings, Witness } from "./witness.ts";

/** Memory has this long to come back, milliseconds. */
const BACK_AFTER_MS = 30_000;
/** pino's number for `error`, which only a bug brings about. */
const ERROR_LEVEL = 50;
/** Streams of the bystander that tell how fast it is when nothing happens. */
const UNDISTURBED_ANSWERS = 5;
const TOKENS = 40;

export interface Surroundings {
  /** Whom the bystander asks; the service's bystander model when not given, or the model under attack itself. */
  readonly model?: string;
  /** What the bystander identifies itself with. */
  readonly headers?: Record<string, string>;
  /** For requests to `/admin` that look at the service. */
  readonly adminHeaders?: Record<string, string>;
  /** Another limit of `slowdown`: where rows share a batch, each step takes longer for everybody. */
  readonly slowdown?: number;
}

interface Alone {
  readonly text: string;
  readonly endMs: number;
  readonly firstTokenMs: number;
}

/** Per service and model: what the bystander is like when nothing happens. */
const undisturbed = new WeakMap<ChaosService, Map<string, Alone>>();

/**
 * Runs an attack and asserts what holds for every row: the same API process, `/livez` in time, bounded memory that
 * comes back, a client beside it that notices nothing, nobody quarantined, no bug in the log.
 */
export async function underAbuse(
  service: ChaosService,
  attack: () => Promise<void>,
  surroundings: Surroundings = {},
): Promise<Figures> {
  const { lmx } = service;
  const { model = BYSTANDER, headers = {}, adminHeaders = {} } = surroundings;
  const question = { body: questionTo(model), headers };
  const alone = await aloneAt(service, model, question);
  const beforeBytes = residentBytes(lmx.pid);
  forgetPeak(lmx.pid);
  const witness = await Witness.start(lmx.url, question);
  const sightings = await attackBefore(witness, attack);
  const peakBytes = peakResidentBytes(lmx.pid);
  const usual = isWhole ? LIMITS : QUICK_LIMITS;
  const limits = { ...usual, slowdown: Math.max(usual.slowdown, surroundings.slowdown ?? 0) };
  const figures: Figures = {
    ...latenciesOf(sightings),
    beforeBytes,
    peakBytes,
    afterBytes: await settledBytes(lmx.pid, beforeBytes + limits.backWithinBytes),
    undisturbedMs: alone.endMs,
    disturbedMs: middleOf(sightings.bystander, "endMs"),
    undisturbedFirstTokenMs: alone.firstTokenMs,
    firstTokenMs: middleOf(sightings.bystander, "firstTokenMs"),
    bystanderAnswers: sightings.bystander.length,
  };
  console.log(`${expect.getState().currentTestName}\n    ${describeFigures(figures)}`);
  expect(problemsOf(sightings, alone.text)).toEqual([]);
  await expectSound(service, adminHeaders);
  expect(beyondLimits(figures, limits)).toEqual([]);
  return figures;
}

function questionTo(model: string): string {
  const messages = [{ role: "user", content: "go on" }];
  return JSON.stringify({ model, messages, temperature: 0, max_tokens: TOKENS, stream: true });
}

async function aloneAt(service: ChaosService, model: string, question: BystanderQuestion): Promise<Alone> {
  const known = undisturbed.get(service) ?? new Map<string, Alone>();
  undisturbed.set(service, known);
  const before = known.get(model);
  if (before !== undefined) return before;
  const witness = await Witness.start(service.lmx.url, question, UNDISTURBED_ANSWERS);
  const { bystander } = await witness.ended();
  expect(bystander.map(({ problem }) => problem)).toEqual(bystander.map(() => null));
  const alone = {
    text: bystander[0]?.text ?? "",
    endMs: middleOf(bystander, "endMs"),
    firstTokenMs: middleOf(bystander, "firstTokenMs"),
  };
  known.set(model, alone);
  return alone;
}

/** The witness is stopped whatever comes of the attack. */
async function attackBefore(witness: Witness, attack: () => Promise<void>): Promise<Sightings> {
  try {
    await attack();
  } catch (error) {
    await witness.stop();
    throw error;
  }
  return await witness.stop();
}

function middleOf(answers: readonly BystanderAnswer[], what: "endMs" | "firstTokenMs"): number {
  const times = answers.map((answer) => answer[what] ?? Number.POSITIVE_INFINITY);
  return percentile(times, 50) ?? Number.POSITIVE_INFINITY;
}

function problemsOf({ health, bystander }: Sightings, text: string): string[] {
  const ofLivez = health.flatMap(({ livez }) => (livez.problem === null ? [] : [`/livez: ${livez.problem}`]));
  const ofBystander = bystander.flatMap((answer) => {
    if (answer.problem !== null) return [`the bystander: ${answer.problem}`];
    return answer.text === text ? [] : [`the bystander's text changed: ${answer.text}`];
  });
  return [...new Set([...ofLivez, ...ofBystander])];
}

async function settledBytes(pid: number, wantedBytes: number): Promise<number> {
  await waitUntil("memory is back", () => residentBytes(pid) <= wantedBytes, BACK_AFTER_MS).catch(() => {});
  return residentBytes(pid);
}

async function expectSound(service: ChaosService, headers: Record<string, string>): Promise<void> {
  const { lmx } = service;
  expect(lmx.process.exitCode).toBeNull();
  const get = async (path: string) => (await (await lmx.fetch(path, { headers })).json()) as never;
  const { pid }: { pid: number } = await get("/admin/status");
  expect(pid).toBe(lmx.pid);
  const { data }: { data: { id: string; readiness: { state: string } }[] } = await get("/admin/models");
  expect(data.filter(({ readiness }) => readiness.state === "quarantined").map(({ id }) => id)).toEqual([]);
  expect(zombiesOf(lmx.pid)).toEqual([]);
  expect(service.logLines().filter(({ level }) => Number(level) >= ERROR_LEVEL)).toEqual([]);
}
