import { percentile } from "../../supervisor/telemetry/percentile.ts";
import type { Sightings } from "./witness.ts";

const MIB = 1024 * 1024;

/** What the service was like around and under one attack. */
export interface Figures {
  /** 99 of 100 answers of `/livez` came at most this much later than those of a server that does nothing. */
  readonly livezP99Ms: number;
  readonly livezWorstMs: number;
  /** 99 of 100 answers of the server that does nothing. */
  readonly bareP99Ms: number;
  /** The supervisor's resident memory. */
  readonly beforeBytes: number;
  readonly peakBytes: number;
  /** Once it had come back, or when that time was over. */
  readonly afterBytes: number;
  /** A stream of the bystander from its request to its end, when nothing else happens. */
  readonly undisturbedMs: number;
  /** The same under the attack, the one in the middle. */
  readonly disturbedMs: number;
  /** Its first token, undisturbed and under the attack. */
  readonly undisturbedFirstTokenMs: number;
  readonly firstTokenMs: number;
  readonly bystanderAnswers: number;
}

export interface AbuseLimits {
  readonly livezP99Ms: number;
  readonly peakBytes: number;
  /** What the memory may lie above where it was. */
  readonly backWithinBytes: number;
  /** How often an undisturbed stream's time the bystander's may take. Two processors are shared with the attacker. */
  readonly slowdown: number;
}

/** What `npm run abuse` asks for. */
export const LIMITS: AbuseLimits = {
  livezP99Ms: 100,
  peakBytes: 600 * MIB,
  backWithinBytes: 64 * MIB,
  slowdown: 4,
};

/** Beside other tests on a busy machine: that something stands still or leaks shows, how late an answer is does not. */
export const QUICK_LIMITS: AbuseLimits = {
  livezP99Ms: 15_000,
  peakBytes: 600 * MIB,
  backWithinBytes: 256 * MIB,
  slowdown: 40,
};

export function latenciesOf({
  health,
}: Pick<Sightings, "health">): Pick<Figures, "livezP99Ms" | "livezWorstMs" | "bareP99Ms"> {
  const bareMs = health.map(({ bare }) => bare.milliseconds);
  const lateMs = health.map(({ livez, bare }) => Math.max(0, livez.milliseconds - bare.milliseconds));
  return {
    livezP99Ms: percentile(lateMs, 99) ?? Number.POSITIVE_INFINITY,
    livezWorstMs: Math.max(...lateMs),
    bareP99Ms: percentile(bareMs, 99) ?? 0,
  };
}

/** Sentences about every figure beyond its limit. */
export function beyondLimits(figures: Figures, limits: AbuseLimits): string[] {
  const { livezP99Ms, beforeBytes, peakBytes, afterBytes, undisturbedMs, disturbedMs } = figures;
  const grownBytes = afterBytes - beforeBytes;
  return [
    ...above("/livez p99 after a bare server's answer", livezP99Ms, limits.livezP99Ms, "ms"),
    ...above("peak of resident memory", peakBytes / MIB, limits.peakBytes / MIB, "MiB"),
    ...above("memory that did not come back", grownBytes / MIB, limits.backWithinBytes / MIB, "MiB"),
    ...above("a stream of the bystander", disturbedMs / undisturbedMs, limits.slowdown, "times undisturbed"),
  ];
}

function above(what: string, got: number, limit: number, unit: string): string[] {
  return got <= limit ? [] : [`${what}: expected at most ${limit} ${unit}, got ${got.toFixed(1)} ${unit}`];
}

/** One line for people. */
export function describeFigures(figures: Figures): string {
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)}`;
  const { livezP99Ms, livezWorstMs, bareP99Ms, beforeBytes, peakBytes, afterBytes } = figures;
  return [
    `/livez p99 ${ms(livezP99Ms)}, worst ${ms(livezWorstMs)} after a bare server (p99 ${ms(bareP99Ms)})`,
    `memory ${mib(beforeBytes)} → ${mib(peakBytes)} → ${mib(afterBytes)} MiB`,
    `the bystander ${ms(figures.undisturbedMs)} → ${ms(figures.disturbedMs)} (${figures.bystanderAnswers})`,
  ].join("; ");
}
