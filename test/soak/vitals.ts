import { openFiles, residentBytes } from "../chaos/processes.ts";
import { HAS_PROC } from "./local-processes.ts";

const SAMPLE_MS = 250;
const SHARE = 10;
const CURVE_POINTS = 50;
const MIB = 1024 * 1024;

/** The same figure at the beginning and at the end of a run. */
export interface Drift {
  readonly first: number;
  readonly last: number;
}

/** Open files and resident memory of the supervisor over time. */
export class Vitals {
  readonly #pid: number;
  readonly #files: number[] = [];
  readonly #bytes: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** @param warmUpMs nothing is looked at until then */
  start(warmUpMs: number): void {
    if (!HAS_PROC) return;
    this.#timer = setTimeout(() => {
      this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    }, warmUpMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Medians of the first and the last tenth of the run; null: not measured here. */
  get openFiles(): Drift | null {
    return driftOf(this.#files);
  }

  /** Median of the last tenth of the run; null: not measured here. */
  get residentBytes(): number | null {
    return driftOf(this.#bytes)?.last ?? null;
  }

  /** Resident megabytes over the run, evenly spread. */
  get residentCurve(): number[] {
    const every = Math.max(1, Math.ceil(this.#bytes.length / CURVE_POINTS));
    return this.#bytes.filter((_, index) => index % every === 0).map((bytes) => Math.round(bytes / MIB));
  }

  #sample(): void {
    try {
      this.#files.push(openFiles(this.#pid));
      this.#bytes.push(residentBytes(this.#pid));
    } catch {
      // It has ended, which others notice.
    }
  }
}

/** @param samples in order of time */
export function driftOf(samples: readonly number[]): Drift | null {
  const part = Math.max(1, Math.floor(samples.length / SHARE));
  const first = medianOf(samples.slice(0, part));
  const last = medianOf(samples.slice(-part));
  return first === undefined || last === undefined ? null : { first, last };
}

function medianOf(values: readonly number[]): number | undefined {
  return values.toSorted((one, other) => one - other)[Math.floor((values.length - 1) / 2)];
}
