import { chooseEvictions, isEvictable } from "./choose-evictions.ts";
import { describeMemoryRefusal, type MemoryRefusalText } from "./describe-memory-refusal.ts";
import type { MemoryEstimate } from "./memory-estimate.ts";
import { freeMemory, type MemoryHolder, type MemoryRequest } from "./memory-room.ts";

export interface MemoryFit {
  readonly verdict: "fit";
  /** To be held for the model while it has a worker. */
  readonly grantBytes: number;
  /** Of it, what the caches of all rows together may take. */
  readonly cacheBudgetBytes: number;
  readonly neededBytes: number;
  /** Null: not known. */
  readonly freeBytes: number | null;
}

export interface MemoryEviction {
  readonly verdict: "evict";
  /** Models to unload before asking again, least recently used first. Nothing is held yet. */
  readonly evict: readonly string[];
  readonly neededBytes: number;
  readonly freeBytes: number;
}

export interface MemoryRefusal extends MemoryRefusalText {
  readonly verdict: "refuse";
  readonly neededBytes: number;
  readonly freeBytes: number;
  readonly holders: readonly MemoryHolder[];
}

/** Neither refused nor at others' cost yet: memory of workers that are gone would change the decision, and is on its way. */
export interface MemoryWait {
  readonly verdict: "wait";
  readonly neededBytes: number;
  readonly freeBytes: number | null;
}

export type MemoryDecision = MemoryFit | MemoryEviction | MemoryRefusal;

/**
 * What a model's caches may take beyond one full row, of what is left over then. A quarter: several rows at full context
 * share a big machine, and three quarters stay for the models that are loaded next.
 */
const SHARE_OF_REST = 1 / 4;

/** Whether a model may take the memory it needs now. What it holds already is given up for what it is granted. */
export function decideMemory(request: MemoryRequest): MemoryDecision {
  const { need, modelId, configured } = request;
  const holders = request.holders.filter((holder) => holder.modelId !== modelId);
  const free = freeMemory({ ...request, holders });
  const neededBytes = need.requiredBytes;
  if (neededBytes <= free) return grant(need, free);

  const freeBytes = Math.max(0, free);
  const evict =
    configured.evict === "idle" ? chooseEvictions(holders.filter(isEvictable), neededBytes - free) : null;
  if (evict !== null) return { verdict: "evict", evict, neededBytes, freeBytes };
  return {
    verdict: "refuse",
    neededBytes,
    freeBytes,
    holders,
    ...describeMemoryRefusal({ ...request, holders }, free),
  };
}

/**
 * The same, but a refusal or an eviction that memory still on its way back would spare somebody is put off.
 * @param returningBytes what the machine does not show as available yet
 */
export function decideMemoryOrWait(
  request: MemoryRequest,
  returningBytes: number,
): MemoryDecision | MemoryWait {
  const decision = decideMemory(request);
  const { availableBytes } = request.machine;
  if (decision.verdict === "fit" || returningBytes === 0 || availableBytes === null) return decision;
  const machine = { ...request.machine, availableBytes: availableBytes + returningBytes };
  const later = decideMemory({ ...request, machine });
  if (victims(later) === victims(decision)) return decision;
  return { verdict: "wait", neededBytes: decision.neededBytes, freeBytes: decision.freeBytes };
}

/** Who pays for the decision: the model that is refused, or those that leave. */
function victims(decision: MemoryDecision): string {
  return JSON.stringify([decision.verdict, decision.verdict === "evict" ? decision.evict : []]);
}

function grant(need: MemoryEstimate, free: number): MemoryFit {
  const rest = free - need.requiredBytes;
  const wish = Math.max(0, need.fullCacheBytes - need.cacheBytes);
  // With no number to go by, one row: a budget that is too large ends the worker, one that is too small makes rows wait.
  const extra = Number.isFinite(rest) ? Math.min(wish, Math.floor(rest * SHARE_OF_REST)) : 0;
  return {
    verdict: "fit",
    grantBytes: need.requiredBytes + extra,
    cacheBudgetBytes: need.cacheBytes + extra,
    neededBytes: need.requiredBytes,
    freeBytes: Number.isFinite(free) ? free : null,
  };
}
