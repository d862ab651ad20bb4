import type { Config } from "../../../shared/config.ts";
import type { MemoryEstimate } from "./memory-estimate.ts";

/** A model that has memory promised to it. */
export interface MemoryHolder {
  readonly modelId: string;
  /** What was granted. */
  readonly bytes: number;
  /** `reserved`: it is loading, or about to. */
  readonly state: "reserved" | "loaded";
  /** A request is in flight or waits for it. */
  readonly isBusy: boolean;
  readonly isPinned: boolean;
  /** When its last request came or went, monotonic milliseconds. */
  readonly lastUsedMs: number;
  /** What its worker has resident now; null: not known, and then nothing is taken to be resident yet. */
  readonly measuredBytes: number | null;
}

/** Null: not known. An unknown number refuses nothing. */
export interface MachineRoom {
  readonly totalBytes: number | null;
  readonly availableBytes: number | null;
  readonly limitBytes: number | null;
}

export interface MemorySituation {
  readonly machine: MachineRoom;
  readonly configured: Config["memory"];
  readonly holders: readonly MemoryHolder[];
}

export interface MemoryRequest extends MemorySituation {
  readonly modelId: string;
  readonly need: MemoryEstimate;
}

/**
 * What may still be promised, in bytes: the smaller of two rooms. Negative when more is taken than was promised,
 * infinite when neither room is known.
 *
 * - limit − all that is held, the limit being the configured one, else the machine's, else all its memory;
 * - available − reserve − what is promised but not yet resident. What is resident is missing from `available` already;
 *   the rest of a promise (a load in flight, caches that are still to grow) is not, and nobody else may count on it.
 */
export function freeMemory(situation: MemorySituation): number {
  const { underLimit, onMachine } = memoryRooms(situation);
  return Math.min(underLimit, onMachine);
}

/** The two rooms of {@link freeMemory}. */
export function memoryRooms({ machine, configured, holders }: MemorySituation): {
  readonly underLimit: number;
  readonly onMachine: number;
} {
  const limit = memoryLimit(machine, configured) ?? Number.POSITIVE_INFINITY;
  const available = machine.availableBytes ?? Number.POSITIVE_INFINITY;
  const held = holders.reduce((sum, holder) => sum + heldBytes(holder), 0);
  const outstanding = holders.reduce((sum, holder) => sum + outstandingBytes(holder), 0);
  return { underLimit: limit - held, onMachine: available - configured.reserve_bytes - outstanding };
}

/** What all models together may take; null: nothing is known that limits them. */
export function memoryLimit(machine: MachineRoom, configured: Config["memory"]): number | null {
  return configured.limit_bytes ?? machine.limitBytes ?? machine.totalBytes;
}

/** What unloading it gives back: its promise, or what it really has where that is more. */
export function heldBytes({ bytes, measuredBytes }: MemoryHolder): number {
  return Math.max(bytes, measuredBytes ?? 0);
}

function outstandingBytes({ bytes, measuredBytes }: MemoryHolder): number {
  return Math.max(0, bytes - (measuredBytes ?? 0));
}
