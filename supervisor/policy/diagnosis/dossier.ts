import type { Dossier, DossierNext, DossierSummary } from "../../../shared/dossier.ts";
import type { Failure, Milliseconds, Model } from "../lifecycle/model-state.ts";
import type { RecoveryHint } from "./crash-causes.ts";
import { type MemoryHistory, memoryReadings } from "./dossier-memory.ts";
import { stackDumpIn } from "./dossier-stack-dump.ts";
import type { WorkerPhase } from "./worker-phase.ts";

/** What is known about a worker that died, or that had to be ended because it failed. */
export interface WorkerDeath {
  readonly id: string;
  readonly model: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly phase: WorkerPhase;
  readonly failure: Failure;
  readonly advice: string | null;
  readonly recovery: RecoveryHint | null;
  readonly signal: string | null;
  readonly exitCode: number | null;
  /** Why the supervisor ended it; null: it died by itself. */
  readonly intent: string | null;
  readonly pid: number | null;
  readonly startedAt: Date;
  readonly memory: MemoryHistory;
  readonly memoryCapBytes: number | null;
  readonly versions: Readonly<Record<string, string>>;
  readonly stderrTail: string;
}

/** Which requests ran on a worker: ids their clients know, hashes of what was asked. */
export interface InFlight {
  readonly requestIds: readonly string[];
  readonly fingerprints: readonly string[];
}

/** A death with what was going on and what came of it. */
export interface DeathReport extends WorkerDeath {
  readonly inFlight: InFlight;
  readonly next: DossierNext;
}

/** Of stderr, in a dossier. Bytes. */
export const MOST_STDERR_BYTES = 64 * 1024;
/** Of stderr, in a list of dossiers. Bytes. */
const LISTED_STDERR_BYTES = 2 * 1024;
const MOST_IN_FLIGHT = 200;

/**
 * The dossier of a death.
 * @param clean takes keys and the home directory out of a text
 */
export function buildDossier(report: DeathReport, clean: (text: string) => string): Dossier {
  const { failure, inFlight, memory, versions } = report;
  const said = clean(withoutCutLine(report.stderrTail));
  return {
    id: report.id,
    model: report.model,
    at: new Date(report.at).toISOString(),
    phase: report.phase,
    class: failure.class,
    cause: clean(failure.reason.cause),
    message: clean(failure.reason.message),
    counted: failure.counts !== false && (failure.class === "crash" || failure.class === "resource"),
    advice: report.advice,
    recovery: report.recovery,
    signal: report.signal,
    exit_code: report.exitCode,
    ended_by: report.intent === null ? null : clean(report.intent),
    next: report.next,
    pid: report.pid,
    started_at: report.startedAt.toISOString(),
    in_flight: [...new Set(inFlight.requestIds)].slice(0, MOST_IN_FLIGHT),
    fingerprints: [...new Set(inFlight.fingerprints)].slice(0, MOST_IN_FLIGHT),
    memory_timeline: memoryReadings(memory).map(({ at, bytes }) => ({
      at: new Date(at).toISOString(),
      bytes,
    })),
    memory_cap_bytes: report.memoryCapBytes,
    versions: { ...versions },
    crash_report: null,
    stack_dump: stackDumpIn(said),
    stderr_tail: lastBytes(said, MOST_STDERR_BYTES),
  };
}

/** A dossier as it stands in a list. */
export function summaryOf({ stack_dump: _, stderr_tail, ...rest }: Dossier): DossierSummary {
  return { ...rest, stderr_tail: lastBytes(stderr_tail, LISTED_STDERR_BYTES) };
}

/** What came of the death of a model's worker: where the model is going now. */
export function nextAfterDeath({ state, record }: Model, now: Milliseconds): DossierNext {
  switch (state.kind) {
    case "quarantined": {
      const { standing } = record;
      const until = state.by === "failures" && standing.kind === "quarantined" ? standing.until : null;
      return { action: "quarantined", until: until === null ? null : new Date(until).toISOString() };
    }
    case "admitted":
      return { action: "restarted", after_ms: Math.max(0, Math.round(state.notBefore - now)) };
    case "checking":
    case "loading":
    case "canary":
    case "routable":
      return { action: "restarted", after_ms: 0 };
    case "unloaded":
    case "draining":
      return { action: "unloaded" };
    default:
      return state satisfies never;
  }
}

/**
 * A name for a death that sorts by its time.
 * @param at milliseconds since the epoch
 * @param suffix six hexadecimal digits that tell two deaths in the same millisecond apart
 */
export function dossierId(at: number, suffix: string): string {
  return `${new Date(at).toISOString().replaceAll(/[-:.]/g, "")}-${suffix}`;
}

/** Is this text a dossier's id, and so harmless in a file name? */
export function isDossierId(text: string): boolean {
  return /^\d{8}T\d{9}Z-[0-9a-f]{6}$/.test(text);
}

export interface KeptDossier {
  readonly id: string;
  readonly bytes: number;
}

/** The dossiers that must go, oldest first; the newest always stays. @param kept oldest first */
export function surplusDossiers<Kept extends KeptDossier>(
  kept: readonly Kept[],
  { mostCount, mostBytes }: { readonly mostCount: number; readonly mostBytes: number },
): Kept[] {
  let bytes = kept.reduce((sum, one) => sum + one.bytes, 0);
  let count = kept.length;
  return kept.slice(0, -1).filter((one) => {
    if (count <= mostCount && bytes <= mostBytes) return false;
    count -= 1;
    bytes -= one.bytes;
    return true;
  });
}

/** A full tail begins in the middle of a line, and half a key is not known for one. */
function withoutCutLine(tail: string): string {
  if (byteLength(tail) < MOST_STDERR_BYTES) return tail;
  return tail.slice(tail.indexOf("\n") + 1);
}

/** The end of a text, in so many bytes of UTF-8, beginning with a whole character. */
function lastBytes(text: string, most: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= most) return text;
  let start = bytes.length - most;
  // Bytes 10xxxxxx go on with a character.
  while (((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return new TextDecoder().decode(bytes.subarray(start));
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
