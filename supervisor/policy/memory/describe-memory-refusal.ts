import { humanBytes } from "../human-bytes.ts";
import { chooseEvictions, isEvictable } from "./choose-evictions.ts";
import { largestContext } from "./memory-estimate.ts";
import { heldBytes, type MemoryHolder, type MemoryRequest, memoryLimit, memoryRooms } from "./memory-room.ts";

export interface MemoryRefusalText {
  /** Models whose unloading would make enough room; empty: none would. */
  readonly couldUnload: readonly string[];
  /** Tokens of context that would fit as things are; null: none worth having. */
  readonly contextThatFits: number | null;
  /** What was found, in plain words. */
  readonly message: string;
  /** What to do about it. */
  readonly nextStep: string;
}

/**
 * Why a model does not get its memory, who has it, and what helps.
 * @param free what is free now, bytes; negative when models take more than they were granted
 */
export function describeMemoryRefusal(request: MemoryRequest, free: number): MemoryRefusalText {
  const { need, holders } = request;
  const couldUnload = unloadable(holders, need.requiredBytes - free);
  const contextThatFits = largestContext(need, free + evictableBytes(request));
  return {
    couldUnload,
    contextThatFits,
    message: [
      `needs ${humanBytes(need.requiredBytes, "up")} (${describeNeed(request)}), ${describeFree(request, free)}`,
      ...holders.map((holder) => describeHolder(holder, couldUnload)),
    ].join("; "),
    nextStep: nextStep(request, couldUnload, contextThatFits),
  };
}

/** What an operator could unload: the idle before the pinned before the busy, and nothing that is still loading. */
function unloadable(holders: readonly MemoryHolder[], missingBytes: number): string[] {
  const loaded = holders.filter(({ state }) => state === "loaded");
  const groups = [loaded.filter(isEvictable), loaded.filter(({ isBusy }) => !isBusy), loaded];
  for (const group of groups) {
    const chosen = chooseEvictions(group, missingBytes);
    if (chosen !== null) return chosen;
  }
  return [];
}

/** What is made room of without anybody's doing. */
function evictableBytes({ configured, holders }: MemoryRequest): number {
  if (configured.evict !== "idle") return 0;
  return holders.filter(isEvictable).reduce((sum, holder) => sum + heldBytes(holder), 0);
}

function describeNeed({ need }: MemoryRequest): string {
  const model = `${humanBytes(need.modelBytes)} model`;
  const caches = `${humanBytes(need.cacheBytes)} caches for one row of ${need.contextTokens} tokens`;
  return `${model}, ${caches}, ${humanBytes(need.workingBytes + need.processBytes)} to work in`;
}

function describeFree(request: MemoryRequest, free: number): string {
  const { machine, configured } = request;
  const are = `${humanBytes(Math.max(0, free), "down")} are free`;
  const { underLimit, onMachine } = memoryRooms(request);
  if (underLimit <= onMachine) {
    return `${are} of ${humanBytes(memoryLimit(machine, configured) ?? 0, "down")} for models`;
  }
  const available = humanBytes(machine.availableBytes ?? 0, "down");
  return `${are}: the machine has ${available} available, of which ${humanBytes(configured.reserve_bytes)} stay free`;
}

function describeHolder(holder: MemoryHolder, couldUnload: readonly string[]): string {
  const use = holder.state === "reserved" ? "loading" : holder.isBusy ? "busy" : "idle";
  const notes = [
    holder.isPinned ? `${use}, pinned` : use,
    ...(couldUnload.includes(holder.modelId) ? [`unload it with: lmx unload ${holder.modelId}`] : []),
  ];
  return `${holder.modelId} holds ${humanBytes(heldBytes(holder))} (${notes.join("; ")})`;
}

function nextStep(request: MemoryRequest, couldUnload: readonly string[], context: number | null): string {
  const { modelId, machine, configured, holders, need } = request;
  const steps = [
    ...(couldUnload.length > 0 ? [`unload ${couldUnload.join(" and ")}`] : []),
    ...(context === null ? [] : [`set models.${modelId}.context_tokens to ${context}`]),
  ];
  if (steps.length > 0) return steps.join(", or ");
  if (holders.some(({ state }) => state === "reserved"))
    return "wait for the load in progress, then try again";
  const limit = memoryLimit(machine, configured);
  const isOverLimit = limit !== null && need.minimumBytes > limit;
  const other = "take a smaller or more strongly quantised model";
  if (isOverLimit && configured.limit_bytes !== undefined) return `raise memory.limit_bytes, or ${other}`;
  return isOverLimit ? other : `close other programs, or ${other}`;
}
