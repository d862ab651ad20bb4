import { parseArgs } from "node:util";

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
  readonly rssSlackBytes: number;
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
    endedWithinMs: whole("--ended-within-ms", values["ended-within-ms"] ?? "1000", 1),
    rssSlackBytes: whole("--rss-slack-mb", values["rss-slack-mb"] ?? "30", 0) * MIB,
    json: values.json ?? null,
    schedule: values.schedule === undefined ? null : whole("--schedule", values.schedule, 1),
    attach: attach(values),
  };
}

/** The command that repeats a run; where its report went does not matter for that. */
export function commandOf(run: SoakArguments): string {
  const { seed, deaths, requests, durationMs: ms, warmUpMs, victims, attach: other } = run;
  return [
    "npm run soak --",
    ...(deaths === null ? [] : [`--deaths ${deaths}`]),
    ...(requests === null ? [] : [`--requests ${requests}`]),
    `--seed ${seed}`,
    `--duration ${ms / 1000}s`,
    ...(warmUpMs === 0 ? [] : [`--warm-up ${warmUpMs / 1000}s`]),
    ...(other === null ? [`--victims ${victims}`] : [`--url ${other.url}`]),
  ].join(" ");
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
  const string = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: string,
        deaths: string,
        requests: string,
        duration: string,
        "warm-up": string,
        victims: string,
        "ended-within-ms": string,
        "rss-slack-mb": string,
        json: string,
        schedule: string,
        url: string,
        "admin-key": string,
        "api-key": string,
        bystander: string,
        victim: { type: "string", multiple: true },
      },
    }).values;
  } catch (error) {
    throw new ArgumentError((error as Error).message);
  }
}
