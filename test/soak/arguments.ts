import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { type FlagWords, flagLines } from "../support/flag-help.ts";

export interface SoakArguments {
  readonly seed: number;
  /** Worker deaths and requests that are wanted; null: as many as come. */
  readonly deaths: number | null;
  readonly requests: number | null;
  /** The run ends by then, and earlier when both counts are reached. */
  readonly durationMs: number;
  /** Open files and memory count from then on: what is bounded has to fill first. */
  readonly warmUpMs: number;
  /** Models that are made to fail. */
  readonly victims: number;
  /** A dead worker's requests must have ended by then. */
  readonly endedWithinMs: number;
  readonly heldSlackBytes: number;
  readonly residentLimitBytes: number;
  readonly json: string | null;
  /** Print this many steps of every lane instead of running; null: run. */
  readonly schedule: number | null;
  /** A supervisor that runs already; null: start one. */
  readonly attach: AttachArguments | null;
}

export interface AttachArguments {
  readonly url: string;
  readonly adminKey: string | null;
  readonly apiKey: string | null;
  readonly victims: readonly string[];
  readonly bystander: string;
}

export class ArgumentError extends Error {}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
const MIB = 1024 * 1024;
export const DEFAULT_DURATION = "60s";
const ENDED_WITHIN_MS = 1_000;
const HELD_SLACK_MB = 20;
const RESIDENT_LIMIT_MB = 220;

const text = { type: "string" } as const;
const OPTIONS = {
  deaths: text,
  requests: text,
  duration: text,
  "warm-up": text,
  seed: text,
  victims: text,
  "ended-within-ms": text,
  "held-slack-mb": text,
  "resident-limit-mb": text,
  json: text,
  schedule: text,
  url: text,
  bystander: text,
  victim: { type: "string", multiple: true },
  "admin-key": text,
  "api-key": text,
} as const satisfies ParseArgsOptionsConfig;

/** Every flag of the command, with what stands for its value, its default and what it is for. */
export const SOAK_FLAGS: Readonly<Record<keyof typeof OPTIONS, FlagWords>> = {
  deaths: {
    value: "N",
    meaning: "with --requests: end when both are reached; fewer by the end of the time is a broken gate",
  },
  requests: { value: "N", meaning: "requests that are wanted" },
  duration: { value: "T", fallback: DEFAULT_DURATION, meaning: "end by then; 90s, 10m, 3h" },
  "warm-up": { value: "T", fallback: "0s", meaning: "open files and memory are compared with those of then" },
  seed: { value: "S", fallback: "1", meaning: "of the faults and of what clients ask for" },
  victims: { value: "N", fallback: "3", meaning: "models that are made to fail" },
  "ended-within-ms": {
    value: "N",
    fallback: `${ENDED_WITHIN_MS}`,
    meaning: "a dead worker's requests must have ended by then",
  },
  "held-slack-mb": {
    value: "N",
    fallback: `${HELD_SLACK_MB}`,
    meaning:
      "what a collection leaves of the supervisor's memory may grow by this, or by 5 % where that is more",
  },
  "resident-limit-mb": {
    value: "N",
    fallback: `${RESIDENT_LIMIT_MB}`,
    meaning: "the supervisor's resident memory at the end",
  },
  json: { value: "FILE", meaning: "write the whole report there" },
  schedule: { value: "N", meaning: "print the first N steps of every schedule and end" },
  url: { value: "URL", meaning: "soak a service that runs already" },
  bystander: { value: "ID", meaning: "with --url: the model nothing is done to" },
  victim: { value: "ID", meaning: "with --url: a model that is made to fail; may be given again" },
  "admin-key": { value: "KEY", meaning: "with --url: for its admin API" },
  "api-key": { value: "KEY", meaning: "with --url: for its inference API" },
};

export const SOAK_HELP = `Soak a service: real models, clients and faults, thousands of them, and gates that must hold.

Usage: npm run soak -- [flags]

${flagLines(SOAK_FLAGS)}

The first Ctrl-C ends the run with its report, the second at once. Exit codes: 0 every gate holds, 1 one is broken,
64 a wrong flag, 69 there is no service to soak. docs/soak.md tells what is done and what must hold.

Examples:
  npm run soak
  npm run soak -- --deaths 5000 --requests 1000000 --duration 4h --warm-up 30m --victims 5 --seed 42
  npm run soak -- --url http://127.0.0.1:1234 --admin-key KEY --bystander ID --victim ID`;

/** @throws ArgumentError saying what is possible */
export function parseSoakArguments(args: readonly string[]): SoakArguments {
  const values = parse(args);
  return {
    seed: whole("--seed", values.seed ?? "1", 0),
    deaths: values.deaths === undefined ? null : whole("--deaths", values.deaths, 0),
    requests: values.requests === undefined ? null : whole("--requests", values.requests, 0),
    durationMs: durationMs("--duration", values.duration ?? DEFAULT_DURATION),
    warmUpMs: values["warm-up"] === undefined ? 0 : durationMs("--warm-up", values["warm-up"]),
    victims: whole("--victims", values.victims ?? "3", 1),
    endedWithinMs: whole("--ended-within-ms", values["ended-within-ms"] ?? `${ENDED_WITHIN_MS}`, 1),
    heldSlackBytes: whole("--held-slack-mb", values["held-slack-mb"] ?? `${HELD_SLACK_MB}`, 0) * MIB,
    residentLimitBytes:
      whole("--resident-limit-mb", values["resident-limit-mb"] ?? `${RESIDENT_LIMIT_MB}`, 1) * MIB,
    json: values.json ?? null,
    schedule: values.schedule === undefined ? null : whole("--schedule", values.schedule, 1),
    attach: attach(values),
  };
}

/** The command that repeats a run; where its report went does not matter for that. */
export function commandOf(run: SoakArguments): string {
  const { seed, deaths, requests, durationMs: ms, warmUpMs, victims, attach: other } = run;
  const { endedWithinMs, heldSlackBytes, residentLimitBytes } = run;
  return [
    "npm run soak --",
    ...(deaths === null ? [] : [`--deaths ${deaths}`]),
    ...(requests === null ? [] : [`--requests ${requests}`]),
    `--seed ${seed}`,
    `--duration ${ms / 1000}s`,
    ...(warmUpMs === 0 ? [] : [`--warm-up ${warmUpMs / 1000}s`]),
    ...(endedWithinMs === ENDED_WITHIN_MS ? [] : [`--ended-within-ms ${endedWithinMs}`]),
    ...(heldSlackBytes === HELD_SLACK_MB * MIB ? [] : [`--held-slack-mb ${heldSlackBytes / MIB}`]),
    ...(residentLimitBytes === RESIDENT_LIMIT_MB * MIB
      ? []
      : [`--resident-limit-mb ${residentLimitBytes / MIB}`]),
    ...(other === null ? [`--victims ${victims}`] : attachFlags(other)),
  ].join(" ");
}

/** Without the keys, which a report must not show. */
function attachFlags({ url, bystander, victims }: AttachArguments): string[] {
  return [`--url ${url}`, `--bystander ${bystander}`, ...victims.map((id) => `--victim ${id}`)];
}

type Values = ReturnType<typeof parse>;

function attach(values: Values): AttachArguments | null {
  const { url, "admin-key": adminKey = null, "api-key": apiKey = null, bystander, victim = [] } = values;
  if (url === undefined) return null;
  if (bystander === undefined || victim.length === 0)
    throw new ArgumentError("--url needs --bystander MODEL and --victim MODEL, which may be given again");
  if (victim.includes(bystander)) throw new ArgumentError("the bystander cannot be a victim too");
  return { url, adminKey, apiKey, victims: victim, bystander };
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new ArgumentError(`${name} takes a whole number of at least ${least}; got ${JSON.stringify(text)}`);
  return value;
}

function durationMs(name: string, text: string): number {
  const [, count, unit = "s"] = /^(\d+)([smh])?$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS_MS[unit] ?? Number.NaN);
  if (!(ms > 0)) throw new ArgumentError(`${name} takes a time such as 90s, 10m or 3h; got ${text}`);
  return ms;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new ArgumentError((error as Error).message);
  }
}
